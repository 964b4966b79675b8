//! The instructions that name things, call them and give them their state.

use super::machine::Machine;
use super::nodes::{Id, Known, Node};
use super::{Thing, broken, known, numpy};
use crate::error::Result;

impl<T: Thing> Machine<'_, T> {
    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let found = known::find::<T>(module, name)?;
        self.push(Node::Known(found))
    }

    pub(super) fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let what = self.pop()?;
        let made = self.called(what, arguments)?;
        self.push_id(made)
    }

    /// What a call makes. What is unknown is not called, and a call with something unknown may be
    /// unknown itself.
    pub(super) fn called(&mut self, what: Id, arguments: Id) -> Result<Id> {
        if self.is_opaque(what) {
            let name = self.class(what);
            return self.add(Node::Opaque(name));
        }
        let Node::Known(what) = self.node(what) else {
            return Err(Self::refused("a call of something unknown"));
        };
        let what = what.clone();
        let arguments = self.sequence(arguments)?;
        match known::call(self, &what, &arguments) {
            Err(error) => match arguments.iter().find(|id| self.is_opaque(**id)) {
                Some(unknown) => {
                    let name = self.class(*unknown);
                    self.add(Node::Opaque(name))
                }
                None => Err(error),
            },
            made => made,
        }
    }

    /// An object of a class with arguments, of old protocols (`class` comes first) and new ones.
    pub(super) fn object(&mut self, class: Id, arguments: Vec<Id>) -> Result<()> {
        let arguments = self.add(Node::Tuple(arguments))?;
        let made = self.called(class, arguments)?;
        self.push_id(made)
    }

    /// The state of an object: attributes of dictionaries (`_metadata` of a state dict) are left
    /// out.
    pub(super) fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let top = self.top()?;
        match self.node(top) {
            Node::Dict {
                attributes: true, ..
            } => {}
            Node::Dict { .. } | Node::Opaque(_) => return Ok(()),
            Node::Made(thing) if thing.ignores_state() => return Ok(()),
            Node::Array(_) => {
                let state = self.sequence(state)?;
                let unknown = state
                    .get(2)
                    .filter(|kind| self.is_opaque(**kind))
                    .map(|kind| self.class(*kind));
                self.nodes[top as usize] = match unknown {
                    Some(name) => Node::Opaque(name),
                    None => Node::Array(numpy::of_state(self, &state)?),
                };
                return Ok(());
            }
            // numpy's type: the state says which byte comes first.
            Node::Known(Known::Number(..)) => {
                let Node::Tuple(parts) = self.node(state) else {
                    return Err(broken("a type of numpy"));
                };
                let order = parts.get(1).map(|id| self.node(*id));
                if !matches!(order, Some(Node::Str(order)) if order == "<" || order == "|") {
                    const OTHER: &str = "numbers with their highest byte first";
                    if !T::KEEPS_UNKNOWN {
                        return Err(Self::refused(OTHER));
                    }
                    self.nodes[top as usize] = Node::Opaque(OTHER.into());
                }
                return Ok(());
            }
            _ => return Err(Self::refused("an object with a state")),
        }
        let Node::Dict { entries: found, .. } = self.node(state) else {
            return Ok(());
        };
        let found = found.clone();
        self.charge(found.len())?;
        if let Node::Dict { entries, .. } = &mut self.nodes[top as usize] {
            entries.extend(found);
        }
        Ok(())
    }
}

//! The pickle machine: a stack, a memo, and an arena of nodes that name one another by number.
//!
//! The arena has no owners inside owners, so neither cycles nor depth cost anything; each
//! instruction makes at most one node, so memory is bounded by the length of the program, and that
//! by a limit.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use super::known::{self, Known};
use super::numpy::{self, Array};
use super::{Thing, broken};
use crate::error::{Error, Result};

/// The number of a node.
pub(crate) type Id = u32;

/// A thing that the program made. Texts and bytes lie in the program.
#[derive(Debug)]
pub(crate) enum Node<'a, T> {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 64 bits, as bytes.
    Long(Vec<u8>),
    Float(f64),
    Str(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// `attributes`: an object of which only the named values count.
    Dict {
        entries: Vec<(Id, Id)>,
        attributes: bool,
    },
    Known(Known<T>),
    Array(Array),
    /// What the format's own names make.
    Made(T),
    /// An object of a class that is not known, of which only the class is kept.
    Opaque(Rc<str>),
}

const MAX_NODES: usize = 1_000_000;
/// How many numbers of nodes and bytes of text may be copied in all, beside as many as the program
/// has bytes: a call may copy a long list or text that costs the program two bytes to name.
const MAX_COPIED: usize = 32 << 20;
const MAX_DIMENSIONS: usize = 16;

/// The machine; several programs may run one after the other.
pub(crate) struct Machine<'a, T> {
    nodes: Vec<Node<'a, T>>,
    pub(super) stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    pub(super) copies_left: usize,
}

impl<T> Default for Machine<'_, T> {
    fn default() -> Self {
        let (nodes, stack, marks) = (Vec::new(), Vec::new(), Vec::new());
        Machine {
            nodes,
            stack,
            marks,
            memo: HashMap::new(),
            copies_left: MAX_COPIED,
        }
    }
}

impl<'a, T: Thing> Machine<'a, T> {
    /// The error for what a pickle may hold but is not read.
    pub(crate) fn refused(what: impl std::fmt::Display) -> Error {
        Error::data(format!("holds {what}, which is not read")).with_hint(T::HINT)
    }

    /// Something that is not read: what it is, where the format keeps the unknown; else an error.
    pub(crate) fn unread(&mut self, what: &str) -> Result<Id> {
        if T::KEEPS_UNKNOWN {
            self.opaque(what)
        } else {
            Err(Self::refused(what))
        }
    }

    pub(crate) fn opaque(&mut self, what: &str) -> Result<Id> {
        self.add(Node::Opaque(what.into()))
    }

    /// The name of a class, as far as it is known.
    pub(super) fn class(&self, id: Id) -> Rc<str> {
        match self.node(id) {
            Node::Opaque(name) | Node::Known(Known::Unknown(name)) => name.clone(),
            _ => "an object".into(),
        }
    }

    fn is_opaque(&self, id: Id) -> bool {
        matches!(
            self.node(id),
            Node::Opaque(_) | Node::Known(Known::Unknown(_))
        )
    }

    /// A copy of what a dictionary holds, if it is one.
    pub(super) fn copied_entries(&mut self, id: Id) -> Result<Option<Vec<(Id, Id)>>> {
        let Node::Dict { entries, .. } = self.node(id) else {
            return Ok(None);
        };
        let entries = entries.clone();
        self.charge(entries.len())?;
        Ok(Some(entries))
    }

    /// An error where the program keeps more of something than any real one does.
    fn limited(count: usize) -> Result<()> {
        if count < MAX_NODES {
            Ok(())
        } else {
            Err(Self::refused(format!("more than {MAX_NODES} things")))
        }
    }

    /// Forgets what the program before left behind, but not its nodes.
    pub(super) fn start(&mut self) {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
    }

    pub(crate) fn add(&mut self, node: Node<'a, T>) -> Result<Id> {
        Self::limited(self.nodes.len())?;
        self.nodes.push(node);
        Ok((self.nodes.len() - 1) as Id)
    }

    pub(crate) fn node(&self, id: Id) -> &Node<'a, T> {
        // Numbers come from `add` alone.
        &self.nodes[id as usize]
    }

    pub(crate) fn nodes(&self) -> &[Node<'a, T>] {
        &self.nodes
    }

    fn charge(&mut self, n: usize) -> Result<()> {
        let left = self.copies_left.checked_sub(n);
        self.copies_left =
            left.ok_or_else(|| Self::refused("a program that copies without end"))?;
        Ok(())
    }

    /// A copy of what a list or a tuple holds.
    pub(crate) fn sequence(&mut self, id: Id) -> Result<Vec<Id>> {
        let (Node::List(items) | Node::Tuple(items)) = self.node(id) else {
            return Err(broken("a list was expected"));
        };
        let items = items.clone();
        self.charge(items.len())?;
        Ok(items)
    }

    /// A copy of a text.
    pub(crate) fn copied_text(&mut self, id: Id) -> Result<String> {
        let text = self.text(id)?.to_owned();
        self.charge(text.len())?;
        Ok(text)
    }

    pub(crate) fn text(&self, id: Id) -> Result<&str> {
        if let Node::Str(text) = self.node(id) {
            Ok(text)
        } else {
            Err(broken("a text was expected"))
        }
    }

    /// Bytes, or those of a text.
    pub(super) fn raw(&self, id: Id) -> Result<&[u8]> {
        match self.node(id) {
            Node::Bytes(bytes) => Ok(bytes),
            Node::Str(text) => Ok(text.as_bytes()),
            _ => Err(broken("bytes were expected")),
        }
    }

    /// The value of a dictionary's key, which is a text or its bytes. As in Python, the last one
    /// counts.
    pub(crate) fn entry(&self, id: Id, key: &str) -> Option<Id> {
        let Node::Dict { entries, .. } = self.node(id) else {
            return None;
        };
        let found = entries
            .iter()
            .rev()
            .find(|(k, _)| self.raw(*k).is_ok_and(|k| k == key.as_bytes()));
        found.map(|(_, value)| *value)
    }

    pub(crate) fn int(&self, id: Id) -> Result<i64> {
        if let Node::Int(i) = self.node(id) {
            Ok(*i)
        } else {
            Err(broken("a whole number was expected"))
        }
    }

    pub(crate) fn ints(&self, id: Id) -> Result<Vec<i64>> {
        let Node::Tuple(items) = self.node(id) else {
            return Err(broken("sizes were expected"));
        };
        if items.len() > MAX_DIMENSIONS {
            return Err(Self::refused(format!(
                "an array of more than {MAX_DIMENSIONS} dimensions"
            )));
        }
        items.iter().map(|i| self.int(*i)).collect()
    }

    pub(super) fn push(&mut self, node: Node<'a, T>) -> Result<()> {
        let id = self.add(node)?;
        self.push_id(id)
    }

    pub(super) fn push_id(&mut self, id: Id) -> Result<()> {
        Self::limited(self.stack.len())?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn mark(&mut self) -> Result<()> {
        Self::limited(self.marks.len())?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let above = self.stack.len() > self.marks.last().copied().unwrap_or(0);
        if above { self.stack.pop() } else { None }
            .ok_or_else(|| broken("a stack that is empty too early"))
    }

    pub(super) fn top(&self) -> Result<Id> {
        let above = self.stack.len() > self.marks.last().copied().unwrap_or(0);
        if above {
            self.stack.last().copied()
        } else {
            None
        }
        .ok_or_else(|| broken("a stack that is empty too early"))
    }

    /// All above the last mark, which goes.
    pub(super) fn marked(&mut self) -> Result<Vec<Id>> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| broken("a mark that is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    pub(super) fn tuple(&mut self, n: usize) -> Result<()> {
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items))
    }

    pub(super) fn extend(&mut self, items: Vec<Id>) -> Result<()> {
        let top = self.top()?;
        match &mut self.nodes[top as usize] {
            Node::List(list) => list.extend(items),
            Node::Opaque(_) => {}
            _ => return Err(broken("something put into what is no list")),
        }
        Ok(())
    }

    pub(super) fn set(&mut self, items: &[Id]) -> Result<()> {
        let top = self.top()?;
        let pairs = pairs(items)?;
        match &mut self.nodes[top as usize] {
            Node::Dict { entries, .. } => entries.extend(pairs),
            Node::Opaque(_) => {}
            _ => return Err(broken("a pair put into what is no dictionary")),
        }
        Ok(())
    }

    /// Keeps the value on top of the stack under a key, or under the next one.
    pub(super) fn remember(&mut self, key: Option<u32>) -> Result<()> {
        Self::limited(self.memo.len())?;
        let top = self.top()?;
        self.memo.insert(key.unwrap_or(self.memo.len() as u32), top);
        Ok(())
    }

    pub(super) fn recall(&mut self, key: u32) -> Result<()> {
        let id = self
            .memo
            .get(&key)
            .copied()
            .ok_or_else(|| broken("a note that was never made"))?;
        self.push_id(id)
    }

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

pub(super) fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    if !items.len().is_multiple_of(2) {
        return Err(broken("a key without a value"));
    }
    Ok(items
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect())
}

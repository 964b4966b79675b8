//! The pickle machine: a stack, a memo, and an arena of nodes that name one another by number.
//!
//! The arena has no owners inside owners, so neither cycles nor depth cost anything; each instruction makes at most one node,
//! so memory is bounded by the length of the program, and that by a limit.

use std::collections::HashMap;

use super::known::{self, Known};
use super::{Storage, broken, refused};
use crate::error::Result;

/// The number of a node.
pub(super) type Id = u32;

/// A tensor as written: a view of a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) offset: i64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

/// A thing that the program made.
#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 64 bits, as bytes.
    Long(Vec<u8>),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// `attributes`: an object of which only the named values count.
    Dict {
        entries: Vec<(Id, Id)>,
        attributes: bool,
    },
    Known(Known),
    Storage(Storage),
    Tensor(Tensor),
}

const MAX_NODES: usize = 1_000_000;
/// How many numbers of nodes and bytes of text may be copied in all: a call may copy a long list or text that costs the program
/// two bytes to name.
const MAX_COPIED: usize = 32 << 20;
const MAX_DIMENSIONS: usize = 16;

/// The machine; several programs may run one after the other.
#[derive(Default)]
pub(super) struct Machine {
    nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u32, Id>,
    copied: usize,
}

impl Machine {
    pub(super) fn add(&mut self, node: Node) -> Result<Id> {
        if self.nodes.len() >= MAX_NODES {
            return Err(refused(format!("more than {MAX_NODES} things")));
        }
        self.nodes.push(node);
        Ok((self.nodes.len() - 1) as Id)
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        // Numbers come from `add` alone.
        &self.nodes[id as usize]
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn charge(&mut self, n: usize) -> Result<()> {
        self.copied = self.copied.saturating_add(n);
        if self.copied > MAX_COPIED { Err(refused("a program that copies without end")) } else { Ok(()) }
    }

    /// A copy of what a list or a tuple holds.
    pub(super) fn sequence(&mut self, id: Id) -> Result<Vec<Id>> {
        let (Node::List(items) | Node::Tuple(items)) = self.node(id) else {
            return Err(broken("a list was expected"));
        };
        let items = items.clone();
        self.charge(items.len())?;
        Ok(items)
    }

    /// A copy of a text.
    pub(super) fn copied_text(&mut self, id: Id) -> Result<String> {
        let text = self.text(id)?.to_owned();
        self.charge(text.len())?;
        Ok(text)
    }

    pub(super) fn text(&self, id: Id) -> Result<&str> {
        if let Node::Str(text) = self.node(id) { Ok(text) } else { Err(broken("a text was expected")) }
    }

    pub(super) fn int(&self, id: Id) -> Result<i64> {
        if let Node::Int(i) = self.node(id) { Ok(*i) } else { Err(broken("a whole number was expected")) }
    }

    pub(super) fn ints(&self, id: Id) -> Result<Vec<i64>> {
        let Node::Tuple(items) = self.node(id) else { return Err(broken("sizes were expected")) };
        if items.len() > MAX_DIMENSIONS {
            return Err(refused(format!("a tensor of more than {MAX_DIMENSIONS} dimensions")));
        }
        items.iter().map(|i| self.int(*i)).collect()
    }

    pub(super) fn push(&mut self, node: Node) -> Result<()> {
        let id = self.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let above = self.stack.len() > self.marks.last().copied().unwrap_or(0);
        if above { self.stack.pop() } else { None }.ok_or_else(|| broken("a stack that is empty too early"))
    }

    pub(super) fn top(&self) -> Result<Id> {
        let above = self.stack.len() > self.marks.last().copied().unwrap_or(0);
        if above { self.stack.last().copied() } else { None }.ok_or_else(|| broken("a stack that is empty too early"))
    }

    /// All above the last mark, which goes.
    pub(super) fn marked(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| broken("a mark that is missing"))?;
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
            _ => return Err(broken("something put into what is no list")),
        }
        Ok(())
    }

    pub(super) fn set(&mut self, items: &[Id]) -> Result<()> {
        let top = self.top()?;
        let pairs = pairs(items)?;
        match &mut self.nodes[top as usize] {
            Node::Dict { entries, .. } => entries.extend(pairs),
            _ => return Err(broken("a pair put into what is no dictionary")),
        }
        Ok(())
    }

    pub(super) fn recall(&mut self, key: u32) -> Result<()> {
        let id = self.memo.get(&key).copied().ok_or_else(|| broken("a note that was never made"))?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let found = known::find(module, name)?;
        self.push(Node::Known(found))
    }

    pub(super) fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let what = self.pop()?;
        let Node::Known(what) = *self.node(what) else { return Err(refused("a call of something unknown")) };
        let arguments = self.sequence(arguments)?;
        let made = known::call(self, what, &arguments)?;
        self.stack.push(made);
        Ok(())
    }

    /// The state of an object: attributes of dictionaries (`_metadata` of a state dict) are left out.
    pub(super) fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let top = self.top()?;
        match self.node(top) {
            Node::Dict { attributes: true, .. } => {}
            Node::Dict { .. } | Node::Tensor(_) => return Ok(()),
            // numpy's type: the state says which byte comes first.
            Node::Known(Known::Number(..)) => {
                let Node::Tuple(parts) = self.node(state) else { return Err(broken("a type of numpy")) };
                let order = parts.get(1).map(|id| self.node(*id));
                return match order {
                    Some(Node::Str(order)) if order == "<" || order == "|" => Ok(()),
                    _ => Err(refused("numbers with their highest byte first")),
                };
            }
            _ => return Err(refused("an object with a state")),
        }
        let Node::Dict { entries: found, .. } = self.node(state) else { return Ok(()) };
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
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

//! The pickle machine: a stack, a memo, and an arena of nodes that name one another by number.
//!
//! The arena has no owners inside owners, so neither cycles nor depth cost anything; each
//! instruction makes at most one node, so memory is bounded by the length of the program, and that
//! by a limit.

use std::collections::HashMap;
use std::rc::Rc;

use super::nodes::{Id, Known, Node};
use super::{Thing, broken};
use crate::error::{Error, Result};

const MAX_NODES: usize = 1_000_000;
/// How many numbers of nodes and bytes of text may be copied in all, beside as many as the program
/// has bytes: a call may copy a long list or text that costs the program two bytes to name.
const MAX_COPIED: usize = 32 << 20;
const MAX_DIMENSIONS: usize = 16;

/// The machine; several programs may run one after the other.
pub(crate) struct Machine<'a, T> {
    pub(super) nodes: Vec<Node<'a, T>>,
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

    pub(super) fn is_opaque(&self, id: Id) -> bool {
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

    pub(super) fn charge(&mut self, n: usize) -> Result<()> {
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
}

/// The entries of a dictionary from keys and values by turns.
pub(super) fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    if !items.len().is_multiple_of(2) {
        return Err(broken("a key without a value"));
    }
    Ok(items
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect())
}

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
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    copied: usize,
}

/// The program and how far it was read.
pub(super) struct Code<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Code<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Code<'a> {
        Code { bytes, at: 0 }
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let found = self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or_else(|| broken("it ends too early"))?;
        self.at += n;
        Ok(found)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number of `n` bytes, lowest first.
    pub(super) fn number(&mut self, n: usize) -> Result<u64> {
        Ok(self.take(n)?.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b)))
    }

    fn sized(&mut self, n: usize) -> Result<&'a [u8]> {
        let length = usize::try_from(self.number(n)?).map_err(|_| broken("a size beyond all memory"))?;
        self.take(length)
    }

    /// A text up to the end of the line.
    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| *b == b'\n').ok_or_else(|| broken("it ends too early"))?;
        self.at += end + 1;
        utf8(&rest[..end])
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| broken("a text that is not UTF-8"))
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

    fn push(&mut self, node: Node) -> Result<()> {
        let id = self.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id> {
        let above = self.stack.len() > self.marks.last().copied().unwrap_or(0);
        if above { self.stack.pop() } else { None }.ok_or_else(|| broken("a stack that is empty too early"))
    }

    fn top(&self) -> Result<Id> {
        let above = self.stack.len() > self.marks.last().copied().unwrap_or(0);
        if above { self.stack.last().copied() } else { None }.ok_or_else(|| broken("a stack that is empty too early"))
    }

    /// All above the last mark, which goes.
    fn marked(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| broken("a mark that is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, n: usize) -> Result<()> {
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items))
    }

    fn extend(&mut self, items: Vec<Id>) -> Result<()> {
        let top = self.top()?;
        match &mut self.nodes[top as usize] {
            Node::List(list) => list.extend(items),
            _ => return Err(broken("something put into what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<()> {
        let top = self.top()?;
        let pairs = pairs(items)?;
        match &mut self.nodes[top as usize] {
            Node::Dict { entries, .. } => entries.extend(pairs),
            _ => return Err(broken("a pair put into what is no dictionary")),
        }
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<()> {
        let id = self.memo.get(&key).copied().ok_or_else(|| broken("a note that was never made"))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let found = known::find(module, name)?;
        self.push(Node::Known(found))
    }

    fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let what = self.pop()?;
        let Node::Known(what) = *self.node(what) else { return Err(refused("a call of something unknown")) };
        let arguments = self.sequence(arguments)?;
        let made = known::call(self, what, &arguments)?;
        self.stack.push(made);
        Ok(())
    }

    /// The state of an object: attributes of dictionaries (`_metadata` of a state dict) are left out.
    fn build(&mut self) -> Result<()> {
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

    /// Runs one program to its end; gives what it made.
    pub(super) fn run(&mut self, code: &mut Code) -> Result<Id> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            let op = code.byte()?;
            match op {
                b'.' => return self.pop(),
                0x80 => {
                    let protocol = code.byte()?;
                    if protocol > 5 {
                        return Err(broken(format!("pickle protocol {protocol}")));
                    }
                }
                0x95 => drop(code.take(8)?),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.marked()?),
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                b'N' => self.push(Node::None)?,
                0x88 => self.push(Node::Bool(true))?,
                0x89 => self.push(Node::Bool(false))?,
                b'I' => {
                    let node = match code.line()? {
                        "01" => Node::Bool(true),
                        "00" => Node::Bool(false),
                        text => Node::Int(text.trim().parse().map_err(|_| broken("a number"))?),
                    };
                    self.push(node)?;
                }
                b'J' => {
                    let n = code.number(4)? as u32 as i32;
                    self.push(Node::Int(i64::from(n)))?;
                }
                b'K' => {
                    let n = code.number(1)?;
                    self.push(Node::Int(n as i64))?;
                }
                b'M' => {
                    let n = code.number(2)?;
                    self.push(Node::Int(n as i64))?;
                }
                b'L' => {
                    let text = code.line()?.trim_end_matches('L');
                    self.push(Node::Int(text.parse().map_err(|_| broken("a number"))?))?;
                }
                0x8a => {
                    let bytes = code.sized(1)?;
                    self.push(long(bytes))?;
                }
                0x8b => {
                    let bytes = code.sized(4)?;
                    self.push(long(bytes))?;
                }
                b'F' => {
                    let x = code.line()?.trim().parse().map_err(|_| broken("a number"))?;
                    self.push(Node::Float(x))?;
                }
                b'G' => {
                    let bits = code.number(8)?.swap_bytes();
                    self.push(Node::Float(f64::from_bits(bits)))?;
                }
                b'X' | 0x8c | 0x8d => {
                    let text = utf8(code.sized(match op {
                        0x8c => 1,
                        b'X' => 4,
                        _ => 8,
                    })?)?;
                    self.push(Node::Str(text.to_owned()))?;
                }
                // Texts of Python 2.
                b'T' | b'U' => {
                    let bytes = code.sized(if op == b'U' { 1 } else { 4 })?;
                    self.push(Node::Str(String::from_utf8_lossy(bytes).into_owned()))?;
                }
                b'B' | b'C' | 0x8e | 0x96 => {
                    let bytes = code.sized(match op {
                        b'C' => 1,
                        b'B' => 4,
                        _ => 8,
                    })?;
                    self.push(Node::Bytes(bytes.to_vec()))?;
                }
                b']' | 0x8f => self.push(Node::List(Vec::new()))?,
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.marked()?;
                    self.extend(items)?;
                }
                b'l' | 0x91 => {
                    let items = self.marked()?;
                    self.push(Node::List(items))?;
                }
                b')' => self.push(Node::Tuple(Vec::new()))?,
                b't' => {
                    let items = self.marked()?;
                    self.push(Node::Tuple(items))?;
                }
                0x85..=0x87 => self.tuple(usize::from(op - 0x84))?,
                b'}' => self.push(Node::Dict { entries: Vec::new(), attributes: false })?,
                b'd' => {
                    let items = self.marked()?;
                    self.push(Node::Dict { entries: pairs(&items)?, attributes: false })?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.marked()?;
                    self.set(&items)?;
                }
                b'c' => {
                    let (module, name) = (code.line()?, code.line()?);
                    self.global(module, name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (module, name) = (self.copied_text(module)?, self.copied_text(name)?);
                    self.global(&module, &name)?;
                }
                b'R' | 0x81 => self.reduce()?,
                b'b' => self.build()?,
                b'Q' => {
                    let id = self.pop()?;
                    let made = known::persistent(self, id)?;
                    self.stack.push(made);
                }
                b'q' | b'r' | b'p' | 0x94 => {
                    let key = match op {
                        b'q' => code.number(1)? as u32,
                        b'r' => code.number(4)? as u32,
                        b'p' => code.line()?.trim().parse().map_err(|_| broken("a note"))?,
                        _ => self.memo.len() as u32,
                    };
                    let top = self.top()?;
                    self.memo.insert(key, top);
                }
                b'h' | b'j' | b'g' => {
                    let key = match op {
                        b'h' => code.number(1)? as u32,
                        b'j' => code.number(4)? as u32,
                        _ => code.line()?.trim().parse().map_err(|_| broken("a note"))?,
                    };
                    self.recall(key)?;
                }
                other => return Err(refused(format!("pickle instruction {other:#04x}"))),
            }
        }
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    if !items.len().is_multiple_of(2) {
        return Err(broken("a key without a value"));
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// A whole number in two's complement, lowest byte first.
fn long(bytes: &[u8]) -> Node {
    if bytes.len() > 8 {
        return Node::Long(bytes.to_vec());
    }
    let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(all))
}

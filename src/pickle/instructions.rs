//! The instructions of a pickle, of protocols 0 to 5. None of them calls anything. Those that reach
//! out of the file are refused.

use super::code::{Code, utf8};
use super::machine::{Machine, pairs};
use super::nodes::{Id, Node};
use super::{Thing, broken};
use crate::error::Result;

impl<'a, T: Thing> Machine<'a, T> {
    /// Runs one program to its end; gives what it made.
    pub(crate) fn run(&mut self, code: &mut Code<'a>) -> Result<Id> {
        self.start();
        self.copies_left = self.copies_left.max(code.left());
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
                b'(' => self.mark()?,
                b'0' => drop(self.pop()?),
                b'1' => drop(self.marked()?),
                b'2' => {
                    let top = self.top()?;
                    self.push_id(top)?;
                }
                b'N' => self.push(Node::None)?,
                0x88 => self.push(Node::Bool(true))?,
                0x89 => self.push(Node::Bool(false))?,
                b'I' => {
                    let node = match code.line()? {
                        "01" => Node::Bool(true),
                        "00" => Node::Bool(false),
                        text => decimal(text)?,
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
                    self.push(decimal(text)?)?;
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
                    let x = code
                        .line()?
                        .trim()
                        .parse()
                        .map_err(|_| broken("a number"))?;
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
                    self.push(Node::Str(text.into()))?;
                }
                // Texts of Python 2, which may be bytes.
                b'T' | b'U' => {
                    let bytes = code.sized(if op == b'U' { 1 } else { 4 })?;
                    let text = utf8(bytes).map(|text| Node::Str(text.into()));
                    self.push(text.unwrap_or(Node::Bytes(bytes.into())))?;
                }
                b'B' | b'C' | 0x8e | 0x96 => {
                    let bytes = code.sized(match op {
                        b'C' => 1,
                        b'B' => 4,
                        _ => 8,
                    })?;
                    self.push(Node::Bytes(bytes.into()))?;
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
                b'}' => self.push(Node::Dict {
                    entries: Vec::new(),
                    attributes: false,
                })?,
                b'd' => {
                    let items = self.marked()?;
                    self.push(Node::Dict {
                        entries: pairs(&items)?,
                        attributes: false,
                    })?;
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
                // A class, arguments, named arguments: those that are known have no named ones.
                0x92 => {
                    let _named = self.pop()?;
                    self.reduce()?;
                }
                b'i' => {
                    let (module, name) = (code.line()?, code.line()?);
                    let arguments = self.marked()?;
                    self.global(module, name)?;
                    let class = self.pop()?;
                    self.object(class, arguments)?;
                }
                b'o' => {
                    let mut arguments = self.marked()?;
                    if arguments.is_empty() {
                        return Err(broken("an object without a class"));
                    }
                    let class = arguments.remove(0);
                    self.object(class, arguments)?;
                }
                b'b' => self.build()?,
                b'Q' => {
                    let id = self.pop()?;
                    let made = T::outside(self, id)?;
                    self.push_id(made)?;
                }
                b'q' | b'r' | b'p' | 0x94 => {
                    let key = match op {
                        b'q' => Some(code.number(1)? as u32),
                        b'r' => Some(code.number(4)? as u32),
                        b'p' => Some(code.line()?.trim().parse().map_err(|_| broken("a note"))?),
                        _ => None,
                    };
                    self.remember(key)?;
                }
                b'h' | b'j' | b'g' => {
                    let key = match op {
                        b'h' => code.number(1)? as u32,
                        b'j' => code.number(4)? as u32,
                        _ => code.line()?.trim().parse().map_err(|_| broken("a note"))?,
                    };
                    self.recall(key)?;
                }
                other => return Err(Self::refused(format!("pickle instruction {other:#04x}"))),
            }
        }
    }
}

/// A whole number in digits.
fn decimal<T>(text: &str) -> Result<Node<'static, T>> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    match text.parse() {
        Ok(number) => Ok(Node::Int(number)),
        Err(_) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Node::Long(text.into()))
        }
        Err(_) => Err(broken("a number")),
    }
}

/// A whole number in two's complement, lowest byte first.
fn long<T>(bytes: &[u8]) -> Node<'static, T> {
    if bytes.len() > 8 {
        return Node::Long(bytes.to_vec());
    }
    let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) {
        0xff
    } else {
        0
    };
    let mut all = [fill; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(all))
}

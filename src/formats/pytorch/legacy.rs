//! Files before PyTorch 1.6, the official JEM checkpoints among them: a magic number, a protocol
//! number, facts about the machine, the object, the keys of the storages (five pickles in a row),
//! then of each storage its length and its numbers.

use std::collections::HashMap;
use std::rc::Rc;

use super::names::{Machine, Node, Torch};
use super::resolve::{Resolver, numbers};
use super::{MAX_PROGRAM, broken, refused};
use crate::error::{Error, Result};
use crate::options::Value;
use crate::pickle::Code;

/// 0x1950a86a20f9469cfc6c, lowest byte first.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

pub(super) fn read(bytes: &[u8]) -> Result<Value> {
    // The programs come first; what follows is numbers.
    let mut code = Code::new(&bytes[..bytes.len().min(MAX_PROGRAM as usize)]);
    let mut machine = Machine::default();
    let magic = machine.run(&mut code);
    if !magic.is_ok_and(|id| matches!(machine.node(id), Node::Long(found) if found == &MAGIC)) {
        return Err(Error::data("not a file of torch.save")
            .with_hint("it may be of another format, or cut short"));
    }
    let protocol = machine.run(&mut code)?;
    if machine.int(protocol)? != 1001 {
        return Err(refused(format!("protocol {}", machine.int(protocol)?)));
    }
    let facts = machine.run(&mut code)?;
    if let Node::Dict { entries, .. } = machine.node(facts) {
        let little = entries
            .iter()
            .find(|(key, _)| machine.text(*key).is_ok_and(|k| k == "little_endian"));
        if little.is_some_and(|(_, value)| matches!(machine.node(*value), Node::Bool(false))) {
            return Err(refused("numbers with their highest byte first"));
        }
    }
    let root = machine.run(&mut code)?;
    let keys = machine.run(&mut code)?;
    let sizes: HashMap<Rc<str>, usize> = machine
        .nodes()
        .iter()
        .filter_map(|n| {
            if let Node::Made(Torch::Storage(s)) = n {
                Some(s)
            } else {
                None
            }
        })
        .map(|s| (s.key.clone(), s.kind.elt_size_in_bytes()))
        .collect();
    let mut rest = Code::new(bytes);
    rest.at = code.at;
    let mut storages: HashMap<String, &[u8]> = HashMap::new();
    for key in machine.sequence(keys)? {
        let key = machine.text(key)?;
        let size = sizes
            .get(key)
            .ok_or_else(|| broken(format!("storage {key:?} belongs to no tensor")))?;
        let count = usize::try_from(rest.number(8)?)
            .ok()
            .and_then(|n| n.checked_mul(*size));
        let found = rest.take(count.ok_or_else(|| broken("a storage of an impossible size"))?)?;
        storages.insert(key.to_owned(), found);
    }
    let mut fetch = |storage: &super::Storage| match storages.get(&*storage.key) {
        Some(found) => numbers(found, storage.kind),
        None => Err(broken(format!("storage {:?} is missing", storage.key))),
    };
    Resolver::new(&machine, bytes.len() as u64, &mut fetch).value(root)
}

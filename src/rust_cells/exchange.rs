//! Variables that cross between Rust and scripts. A handle (a tensor, a network) is shared, not
//! copied.

use rhai::Dynamic;

use super::Session;
use crate::error::{Error, ErrorKind, Result};

impl Session {
    fn variable(&self, name: &str) -> Result<Dynamic> {
        let cells = self.cells.borrow();
        cells.get(name).ok_or_else(|| {
            let variables = cells.variables();
            Error::unknown(
                &format!("the session has no variable `{name}`"),
                name,
                variables.iter().map(|v| v.name.as_str()),
            )
        })
    }

    fn get<T: Clone + 'static>(&self, name: &str, kind: &str) -> Result<T> {
        let value = self.variable(name)?;
        let found = crate::script::types::type_name(value.type_name());
        value.try_cast::<T>().ok_or_else(|| {
            let hint = format!("`get_{kind}` takes what the script holds as {kind}");
            Error::argument(format!("`{name}` is of type {found}, not {kind}")).with_hint(hint)
        })
    }

    fn set(&self, name: &str, value: Dynamic) -> Result<()> {
        if !rhai::is_valid_identifier(name) {
            return Err(
                Error::new(ErrorKind::Name, format!("`{name}` cannot name a variable")).with_hint(
                    "a name is made of letters, digits and `_`, and starts with a letter",
                ),
            );
        }
        self.cells.borrow_mut().set(name, value);
        Ok(())
    }

    /// The value of a whole number.
    pub fn get_int(&self, name: &str) -> Result<i64> {
        self.get(name, "int")
    }

    /// Gives the scripts a whole number.
    pub fn set_int(&self, name: &str, value: i64) -> Result<()> {
        self.set(name, Dynamic::from_int(value))
    }

    /// The value of a number; a tensor of one element is one too.
    pub fn get_float(&self, name: &str) -> Result<f64> {
        let value = self.variable(name)?;
        if let Ok(whole) = value.as_int() {
            return Ok(whole as f64);
        }
        match value.read_lock::<crate::Tensor>() {
            Some(tensor) if tensor.numel() == 1 => tensor.item(),
            _ => self.get(name, "float"),
        }
    }

    /// Gives the scripts a number.
    pub fn set_float(&self, name: &str, value: f64) -> Result<()> {
        self.set(name, Dynamic::from_float(value))
    }

    /// The value of a bool.
    pub fn get_bool(&self, name: &str) -> Result<bool> {
        self.get(name, "bool")
    }

    /// Gives the scripts a bool.
    pub fn set_bool(&self, name: &str, value: bool) -> Result<()> {
        self.set(name, Dynamic::from_bool(value))
    }

    /// The value of a text; any other value as it prints.
    pub fn get_string(&self, name: &str) -> Result<String> {
        let value = self.variable(name)?;
        Ok(self.cells.borrow().program.show(&value).unwrap_or_default())
    }

    /// Gives the scripts a text.
    pub fn set_string(&self, name: &str, value: &str) -> Result<()> {
        self.set(name, Dynamic::from(value.to_owned()))
    }
}

macro_rules! shared {
    ($( $get:ident, $set:ident: $ty:ty, $kind:literal; )*) => { $(
        impl Session {
            #[doc = concat!("A variable of the scripts of type ", $kind, ".")]
            pub fn $get(&self, name: &str) -> Result<$ty> {
                self.get(name, $kind)
            }

            #[doc = concat!("Gives the scripts a value of type ", $kind, ".")]
            pub fn $set(&self, name: &str, value: &$ty) -> Result<()> {
                self.set(name, Dynamic::from(value.clone()))
            }
        }
    )* };
}

shared! {
    get_tensor, set_tensor: crate::Tensor, "tensor";
    get_network, set_network: crate::nn::Network, "network";
    get_energy, set_energy: crate::energy::Energy, "energy";
    get_sampler, set_sampler: crate::sampler::Sampler, "sampler";
    get_replay, set_replay: crate::sampler::Replay, "replay";
    get_chains, set_chains: crate::sampler::ChainRun, "chains";
    get_optimizer, set_optimizer: crate::optim::Optimizer, "optimizer";
    get_dataset, set_dataset: crate::data::Dataset, "dataset";
    get_part, set_part: crate::data::Part, "part";
    get_record, set_record: crate::train::Record, "record";
    get_picture, set_picture: crate::plot::Picture, "picture";
    get_animation, set_animation: crate::plot::Animation, "animation";
    get_report, set_report: crate::evaluate::Report, "report";
}

//! What the calls in a pickle would make: tensors, their storages, ordered dictionaries. Nothing is
//! called.

use super::pickle::{Id, Machine, Storage, Tensor, Value};

impl Machine {
    /// What calling would make, where that is a dictionary or a tensor; else its name.
    pub(super) fn call(&mut self, callable: Id, arguments: Id) -> Result<(), String> {
        let name = self.shown(callable);
        let arguments = match self.get(arguments) {
            Value::Tuple(arguments) => arguments.clone(),
            _ => vec![],
        };
        let made = match name.as_str() {
            "torch._utils _rebuild_tensor" | "torch._utils _rebuild_tensor_v2" => {
                Value::Tensor(self.tensor(&arguments)?)
            }
            "torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state" => {
                let &tensor = arguments.first().ok_or("a parameter without a tensor")?;
                self.stack.push(tensor);
                return Ok(());
            }
            "collections OrderedDict" => Value::Dict(self.given_pairs(&arguments)),
            _ => Value::Opaque(name),
        };
        self.push(made);
        Ok(())
    }

    /// The pairs in `OrderedDict([[key, value], …])`.
    fn given_pairs(&self, arguments: &[Id]) -> Vec<(Id, Id)> {
        let Some(Value::List(items)) = arguments.first().map(|&list| self.get(list)) else {
            return vec![];
        };
        let pair = |&item: &Id| match self.get(item) {
            Value::List(pair) | Value::Tuple(pair) => Some((*pair.first()?, *pair.get(1)?)),
            _ => None,
        };
        items.iter().filter_map(pair).collect()
    }

    /// `(storage, offset, shape, strides, …)`
    fn tensor(&self, arguments: &[Id]) -> Result<Tensor, String> {
        let [storage, offset, shape, strides, ..] = arguments else {
            return Err("a tensor without storage, offset, shape and strides".to_owned());
        };
        let Value::Storage(storage) = self.get(*storage) else {
            return Err("a tensor whose numbers are nowhere".to_owned());
        };
        let (shape, strides) = (self.sides(*shape)?, self.sides(*strides)?);
        if shape.len() != strides.len() || shape.len() > 16 {
            return Err(format!("a tensor of shape {shape:?} and strides {strides:?}"));
        }
        let offset = self.whole(*offset)?;
        Ok(Tensor { storage: storage.clone(), offset, shape, strides })
    }

    fn sides(&self, id: Id) -> Result<Vec<usize>, String> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => {
                items.iter().take(17).map(|&item| self.whole(item)).collect()
            }
            _ => Err("a shape that is no tuple".to_owned()),
        }
    }

    fn whole(&self, id: Id) -> Result<usize, String> {
        match self.get(id) {
            Value::Int(number) => {
                usize::try_from(*number).map_err(|_| format!("a length of {number}"))
            }
            _ => Err("a length that is no number".to_owned()),
        }
    }

    /// `("storage", class, key, location, count[, (view key, offset, count)])`
    pub(super) fn storage(&self, reference: Id) -> Result<Storage, String> {
        let Value::Tuple(parts) = self.get(reference) else {
            return Err("a reference that is no tuple".to_owned());
        };
        let [_, class, key, _, count, view @ ..] = &parts[..] else {
            return Err("a reference of too few parts".to_owned());
        };
        let class = self.shown(*class).rsplit(' ').next().unwrap_or_default().to_owned();
        let (key, count) = (self.shown(*key), self.whole(*count)?);
        let offset = match view.first().map(|&view| self.get(view)) {
            Some(Value::Tuple(view)) if view.len() == 3 => self.whole(view[1])?,
            _ => 0,
        };
        Ok(Storage { class, key, count, offset })
    }
}

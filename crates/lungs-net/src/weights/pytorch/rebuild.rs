//! Results of the calls in a pickle: tensors, their storages, ordered dictionaries. Nothing is
//! called.

use super::pickle::{Id, Machine, Storage, Tensor, Value};

impl Machine {
    /// Pushes the result of a call: a dictionary or tensor, or the name of any other callable.
    pub(super) fn call(&mut self, callable: Id, arguments: Id) -> Result<(), String> {
        let name = self.name(callable);
        let arguments = match self.get(arguments) {
            Value::Tuple(arguments) => arguments.clone(),
            _ => vec![],
        };
        let result = match name.as_str() {
            "torch._utils _rebuild_tensor" | "torch._utils _rebuild_tensor_v2" => {
                Value::Tensor(self.tensor(&arguments)?)
            }
            "torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state" => {
                let &tensor = arguments.first().ok_or("a parameter has no tensor")?;
                self.stack.push(tensor);
                return Ok(());
            }
            "collections OrderedDict" => Value::Dict(self.ordered_pairs(&arguments)),
            _ => Value::Opaque(name),
        };
        self.push(result);
        Ok(())
    }

    /// The pairs in `OrderedDict([[key, value], …])`.
    fn ordered_pairs(&self, arguments: &[Id]) -> Vec<(Id, Id)> {
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
            return Err("a tensor lacks storage, offset, shape or strides".to_owned());
        };
        let Value::Storage(storage) = self.get(*storage) else {
            return Err("a tensor has no storage".to_owned());
        };
        let (shape, strides) = (self.sides(*shape)?, self.sides(*strides)?);
        if shape.len() != strides.len() || shape.len() > 16 {
            return Err(format!("a tensor has shape {shape:?} and strides {strides:?}"));
        }
        let offset = self.length(*offset)?;
        Ok(Tensor { storage: storage.clone(), offset, shape, strides })
    }

    fn sides(&self, id: Id) -> Result<Vec<usize>, String> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => {
                items.iter().take(17).map(|&item| self.length(item)).collect()
            }
            _ => Err("a shape is not a tuple".to_owned()),
        }
    }

    fn length(&self, id: Id) -> Result<usize, String> {
        match self.get(id) {
            Value::Int(number) => {
                usize::try_from(*number).map_err(|_| format!("a length is {number}"))
            }
            _ => Err("a length is not an integer".to_owned()),
        }
    }

    /// `("storage", class, key, location, count[, (view key, offset, count)])`
    pub(super) fn storage(&self, reference: Id) -> Result<Storage, String> {
        let Value::Tuple(fields) = self.get(reference) else {
            return Err("a storage reference is not a tuple".to_owned());
        };
        let [_, class, key, _, count, view @ ..] = &fields[..] else {
            return Err(format!(
                "a storage reference has {} fields, expected at least 5",
                fields.len()
            ));
        };
        let class = self.name(*class).rsplit(' ').next().unwrap_or_default().to_owned();
        let (key, count) = (self.name(*key), self.length(*count)?);
        let offset = match view.first().map(|&view| self.get(view)) {
            Some(Value::Tuple(view)) if view.len() == 3 => self.length(view[1])?,
            _ => 0,
        };
        Ok(Storage { class, key, count, offset })
    }
}

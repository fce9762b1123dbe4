//! Flattens nested dictionaries into names, and tensor views into numbers.

use super::super::UnusedEntry;
use super::super::numbers::Kind;
use super::FormatError;
use super::container::Storages;
use super::pickle::{Id, Machine, Tensor, Value};

/// Deepest accepted nesting of dictionaries.
const DEEPEST: usize = 16;
/// Longest part of a name in characters; longer keys are shortened.
const LONGEST_KEY: usize = 256;

/// The tensors of a file, and its other entries.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub tensors: Vec<(String, Tensor)>,
    pub other_entries: Vec<UnusedEntry>,
}

/// Every value below `root`. Its name is the path of keys, joined by dots.
pub(super) fn flatten(machine: &Machine, root: Id) -> Result<Contents, FormatError> {
    let mut contents = Contents::default();
    // Shared values are visited several times; the limit stops exponential and endless sharing.
    let mut visits = machine.values.len().saturating_mul(4).saturating_add(1024);
    let mut pending = vec![(String::new(), root, 0)];
    while let Some((name, id, depth)) = pending.pop() {
        visits = visits.checked_sub(1).ok_or("its dictionaries contain each other without end")?;
        let child_name = |key: String| if name.is_empty() { key } else { format!("{name}.{key}") };
        let description = match machine.get(id) {
            Value::Tensor(tensor) => {
                contents.tensors.push((name, tensor.clone()));
                continue;
            }
            Value::Dict(_) | Value::List(_) | Value::Tuple(_) if depth >= DEEPEST => {
                "nested too deeply"
            }
            Value::Dict(pairs) => {
                for &(key, value) in pairs.iter().rev() {
                    pending.push((child_name(key_text(machine, key)), value, depth + 1));
                }
                continue;
            }
            Value::List(items) | Value::Tuple(items) => {
                for (index, &item) in items.iter().enumerate().rev() {
                    pending.push((child_name(index.to_string()), item, depth + 1));
                }
                continue;
            }
            Value::None => "none",
            Value::Bool(_) => "boolean",
            Value::Int(_) | Value::Number => "number",
            Value::Text(_) | Value::Bytes => "text",
            Value::Global(_) | Value::Opaque(_) => "object",
            Value::Storage(_) => "storage without a tensor",
        };
        let description = description.to_owned();
        contents.other_entries.push(UnusedEntry { name, description });
    }
    Ok(contents)
}

fn key_text(machine: &Machine, key: Id) -> String {
    match machine.get(key) {
        Value::Text(text) => text.chars().take(LONGEST_KEY).collect(),
        Value::Int(number) => number.to_string(),
        _ => "?".to_owned(),
    }
}

impl Tensor {
    /// The type of its numbers, if they are floating-point.
    pub(crate) fn float_kind(&self) -> Option<Kind> {
        match self.storage.class.as_str() {
            "FloatStorage" => Some(Kind::F32),
            "DoubleStorage" => Some(Kind::F64),
            "HalfStorage" => Some(Kind::F16),
            "BFloat16Storage" => Some(Kind::Bf16),
            _ => None,
        }
    }

    /// Its numbers in row-major order. `remaining` is how many numbers may still be read.
    pub(super) fn numbers(
        &self,
        kind: Kind,
        storages: &Storages<'_>,
        remaining: &mut usize,
    ) -> Result<Vec<f32>, String> {
        let count = self.shape.iter().try_fold(1_usize, |all, side| all.checked_mul(*side));
        let count = count
            .filter(|count| *count <= *remaining)
            .ok_or_else(|| format!("shape {:?} has more numbers than the file", self.shape))?;
        *remaining -= count;
        if count == 0 {
            return Ok(vec![]);
        }
        let bytes = storages
            .get(&self.storage.key)
            .ok_or_else(|| format!("storage {} is missing", self.storage.key))?;
        let first = self.offset.checked_add(self.storage.offset);
        // The largest index of the view, relative to its first number.
        let extent =
            self.shape.iter().zip(&self.strides).try_fold(0_usize, |extent, (side, stride)| {
                extent.checked_add((side - 1).checked_mul(*stride)?)
            });
        let available = bytes.len() / kind.size();
        let last = first.zip(extent).and_then(|(first, extent)| first.checked_add(extent));
        let (Some(first), Some(last)) = (first, last.filter(|last| *last < available)) else {
            return Err(format!(
                "shape {:?} with strides {:?} and offset {} exceeds the {available} numbers of \
                 storage {}",
                self.shape, self.strides, self.offset, self.storage.key
            ));
        };
        if self.is_row_major() {
            return Ok(kind.numbers(&bytes[first * kind.size()..(first + count) * kind.size()]));
        }
        let all = kind.numbers(&bytes[first * kind.size()..(last + 1) * kind.size()]);
        Ok((0..count)
            .map(|index| {
                let (mut rest, mut offset) = (index, 0);
                for (side, stride) in self.shape.iter().zip(&self.strides).rev() {
                    offset += rest % side * stride;
                    rest /= side;
                }
                all[offset]
            })
            .collect())
    }

    fn is_row_major(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&side, &stride)| {
            let matches = side == 1 || stride == expected;
            expected *= side;
            matches
        })
    }
}

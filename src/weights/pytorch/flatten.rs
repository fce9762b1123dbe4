//! Nested dictionaries as names, and views as numbers.

use super::super::LeftOut;
use super::super::numbers::Kind;
use super::Wrong;
use super::container::Storages;
use super::pickle::{Id, Machine, Tensor, Value};

/// Dictionaries in dictionaries, at most.
const DEEPEST: usize = 16;
/// Of a key in a name.
const LONGEST_KEY: usize = 256;

/// What a file holds.
#[derive(Debug, Default)]
pub struct Found {
    pub tensors: Vec<(String, Tensor)>,
    pub others: Vec<LeftOut>,
}

/// Every value below `root`, under the keys that lead to it, joined by dots.
pub fn flatten(machine: &Machine, root: Id) -> Result<Found, Wrong> {
    let mut found = Found::default();
    // What is shared is met several times; what shares what shares … would be met for ever.
    let mut visits = machine.values.len().saturating_mul(4).saturating_add(1024);
    let mut waiting = vec![(String::new(), root, 0)];
    while let Some((name, id, depth)) = waiting.pop() {
        visits = visits.checked_sub(1).ok_or("its dictionaries contain each other without end")?;
        let below = |key: String| if name.is_empty() { key } else { format!("{name}.{key}") };
        let what = match machine.get(id) {
            Value::Tensor(tensor) => {
                found.tensors.push((name, tensor.clone()));
                continue;
            }
            Value::Dict(_) | Value::List(_) | Value::Tuple(_) if depth >= DEEPEST => {
                "nested too deep"
            }
            Value::Dict(pairs) => {
                for &(key, value) in pairs.iter().rev() {
                    waiting.push((below(key_text(machine, key)), value, depth + 1));
                }
                continue;
            }
            Value::List(items) | Value::Tuple(items) => {
                for (place, &item) in items.iter().enumerate().rev() {
                    waiting.push((below(place.to_string()), item, depth + 1));
                }
                continue;
            }
            Value::None => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Number => "a number",
            Value::Text(_) | Value::Bytes => "text",
            Value::Global(_) | Value::Opaque(_) => "an object of a program",
            Value::Storage(_) => "numbers without a shape",
        };
        found.others.push(LeftOut { name, what: what.to_owned() });
    }
    Ok(found)
}

fn key_text(machine: &Machine, key: Id) -> String {
    match machine.get(key) {
        Value::Text(text) => text.chars().take(LONGEST_KEY).collect(),
        Value::Int(number) => number.to_string(),
        _ => "?".to_owned(),
    }
}

impl Tensor {
    /// The type of its numbers, where they are floating-point.
    pub fn floats(&self) -> Option<Kind> {
        match self.storage.class.as_str() {
            "FloatStorage" => Some(Kind::F32),
            "DoubleStorage" => Some(Kind::F64),
            "HalfStorage" => Some(Kind::F16),
            "BFloat16Storage" => Some(Kind::Bf16),
            _ => None,
        }
    }

    /// Its numbers in row-major order. `left` is how many numbers may still be read.
    pub fn numbers(
        &self,
        kind: Kind,
        storages: &Storages<'_>,
        left: &mut usize,
    ) -> Result<Vec<f32>, String> {
        let count = self.shape.iter().try_fold(1_usize, |all, side| all.checked_mul(*side));
        let count = count.filter(|count| *count <= *left).ok_or_else(|| {
            format!("the shape {:?} is of more numbers than the file has", self.shape)
        })?;
        *left -= count;
        if count == 0 {
            return Ok(vec![]);
        }
        let bytes = storages.get(&self.storage.key).ok_or_else(|| {
            format!("its numbers, the storage {}, are not there", self.storage.key)
        })?;
        let first = self.offset.checked_add(self.storage.offset);
        // The last number that it looks at.
        let reach =
            self.shape.iter().zip(&self.strides).try_fold(0_usize, |reach, (side, stride)| {
                reach.checked_add((side - 1).checked_mul(*stride)?)
            });
        let there = bytes.len() / kind.size();
        let last = first.zip(reach).and_then(|(first, reach)| first.checked_add(reach));
        let (Some(first), Some(last)) = (first, last.filter(|last| *last < there)) else {
            return Err(format!(
                "shape {:?} and strides {:?} from {} reach beyond the {there} numbers of storage {}",
                self.shape, self.strides, self.offset, self.storage.key
            ));
        };
        if self.is_row_major() {
            return Ok(kind.numbers(&bytes[first * kind.size()..(first + count) * kind.size()]));
        }
        let all = kind.numbers(&bytes[first * kind.size()..(last + 1) * kind.size()]);
        Ok((0..count)
            .map(|index| {
                let (mut rest, mut at) = (index, 0);
                for (side, stride) in self.shape.iter().zip(&self.strides).rev() {
                    at += rest % side * stride;
                    rest /= side;
                }
                all[at]
            })
            .collect())
    }

    fn is_row_major(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&side, &stride)| {
            let holds = side == 1 || stride == expected;
            expected *= side;
            holds
        })
    }
}

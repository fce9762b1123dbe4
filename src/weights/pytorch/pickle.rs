//! The machine that pickles are programs for, without the power to call anything.
//!
//! Values lie side by side and refer to each other by their places, so that what is shared stays
//! shared, circles are no trouble, and deep nesting needs no deep recursion.

use std::collections::HashMap;

/// The place of a value.
pub type Id = usize;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A number that is no tensor's business: a float, or an integer of more than 64 bits.
    Number,
    Text(String),
    Bytes,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class, `module name`.
    Global(String),
    /// Numbers elsewhere in the file.
    Storage(Storage),
    Tensor(Tensor),
    /// What calling this would have made.
    Opaque(String),
}

/// Numbers elsewhere in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `FloatStorage` and so on.
    pub class: String,
    /// What its numbers are found by.
    pub key: String,
    /// How many numbers it says it has.
    pub count: usize,
    /// Where it begins within that, in numbers.
    pub offset: usize,
}

/// A view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The machine: all values, and what the program still needs of them.
#[derive(Debug, Default)]
pub struct Machine {
    pub values: Vec<Value>,
    pub(super) stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine {
    /// Runs one program off the front of `code`; the place of its result.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn run(&mut self, code: &mut &[u8]) -> Result<Id, String> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            let [word] = take_array(code)?;
            if word == b'.' {
                return self.pop();
            }
            self.step(word, code)?;
        }
    }

    /// A value.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }

    fn step(&mut self, word: u8, code: &mut &[u8]) -> Result<(), String> {
        match word {
            0x80 => drop(take_array::<1>(code)?),
            0x95 => drop(take_array::<8>(code)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => {
                let top = *self.stack.last().ok_or(EMPTY)?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'I' | b'L' | b'F' | b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' => {
                self.number(word, code)?
            }
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d => self.text(word, code)?,
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = match word {
                    b'C' => length_of::<1>(code)?,
                    b'B' => length_of::<4>(code)?,
                    _ => length_of::<8>(code)?,
                };
                take(code, length)?;
                self.push(Value::Bytes);
            }
            b')' => self.push(Value::Tuple(vec![])),
            b']' | 0x8f => self.push(Value::List(vec![])),
            b'}' => self.push(Value::Dict(vec![])),
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(word - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or(EMPTY)?;
                let items = self.stack.split_off(from);
                self.push(Value::Tuple(items));
            }
            b'l' | 0x91 => {
                let items = self.since_mark()?;
                self.push(Value::List(items));
            }
            b'd' => {
                let pairs = pairs(self.since_mark()?);
                self.push(Value::Dict(pairs));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(vec![(key, value)])?;
            }
            b'u' => {
                let pairs = pairs(self.since_mark()?);
                self.insert(pairs)?;
            }
            b'c' | b'i' => {
                let name = format!("{} {}", line(code)?, line(code)?);
                if word == b'i' {
                    self.since_mark()?;
                    self.push(Value::Opaque(name));
                } else {
                    self.push(Value::Global(name));
                }
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let name = format!("{} {}", self.shown(module), self.shown(name));
                self.push(Value::Global(name));
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            0x92 => {
                self.pop()?;
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            b'o' => {
                let items = self.since_mark()?;
                let class = items.first().map_or(String::new(), |&class| self.shown(class));
                self.push(Value::Opaque(class));
            }
            // What an object would be given; none is made.
            b'b' => drop(self.pop()?),
            b'p' => {
                let at = line(code)?.trim().parse().map_err(|_| "a place that is no number")?;
                self.remember(at)?;
            }
            b'q' => {
                let at = length_of::<1>(code)?;
                self.remember(at)?;
            }
            b'r' => {
                let at = length_of::<4>(code)?;
                self.remember(at)?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            b'g' => {
                let at = line(code)?.trim().parse().map_err(|_| "a place that is no number")?;
                self.recall(at)?;
            }
            b'h' => {
                let at = length_of::<1>(code)?;
                self.recall(at)?;
            }
            b'j' => {
                let at = length_of::<4>(code)?;
                self.recall(at)?;
            }
            b'Q' => {
                let reference = self.pop()?;
                let storage = self.storage(reference)?;
                self.push(Value::Storage(storage));
            }
            other => {
                return Err(format!("a pickle with the word {other:#04x}, which is not known"));
            }
        }
        Ok(())
    }

    fn number(&mut self, word: u8, code: &mut &[u8]) -> Result<(), String> {
        let value = match word {
            b'K' => Value::Int(i64::from(take_array::<1>(code)?[0])),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(take_array(code)?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(take_array(code)?))),
            b'G' => {
                take_array::<8>(code)?;
                Value::Number
            }
            0x8a | 0x8b => {
                let length =
                    if word == 0x8a { length_of::<1>(code)? } else { length_of::<4>(code)? };
                let bytes = take(code, length)?;
                match bytes.len() {
                    0..=8 => {
                        let sign = bytes.last().is_some_and(|byte| *byte >= 0x80);
                        let mut whole = [if sign { 0xff } else { 0 }; 8];
                        whole[..bytes.len()].copy_from_slice(bytes);
                        Value::Int(i64::from_le_bytes(whole))
                    }
                    _ => Value::Number,
                }
            }
            b'I' => match line(code)?.as_str() {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                text => text.trim().parse().map_or(Value::Number, Value::Int),
            },
            b'L' => {
                let text = line(code)?;
                text.trim().trim_end_matches('L').parse().map_or(Value::Number, Value::Int)
            }
            _ => {
                line(code)?;
                Value::Number
            }
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, word: u8, code: &mut &[u8]) -> Result<(), String> {
        let text = match word {
            b'S' => line(code)?.trim_matches(['\'', '"']).to_owned(),
            b'V' => line(code)?,
            _ => {
                let length = match word {
                    b'U' | 0x8c => length_of::<1>(code)?,
                    0x8d => length_of::<8>(code)?,
                    _ => length_of::<4>(code)?,
                };
                String::from_utf8_lossy(take(code, length)?).into_owned()
            }
        };
        self.push(Value::Text(text));
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    pub(super) fn pop(&mut self) -> Result<Id, String> {
        Ok(self.stack.pop().ok_or(EMPTY)?)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or(EMPTY)?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, at: u64) -> Result<(), String> {
        let top = *self.stack.last().ok_or(EMPTY)?;
        self.memo.insert(at, top);
        Ok(())
    }

    fn recall(&mut self, at: u64) -> Result<(), String> {
        let id = *self.memo.get(&at).ok_or("a pickle that recalls what it never kept")?;
        self.stack.push(id);
        Ok(())
    }

    /// Adds to the list on top; an object that would be given items gets none.
    fn extend(&mut self, items: Vec<Id>) -> Result<(), String> {
        let top = *self.stack.last().ok_or(EMPTY)?;
        if let Value::List(list) = &mut self.values[top] {
            list.extend(items);
        }
        Ok(())
    }

    fn insert(&mut self, pairs: Vec<(Id, Id)>) -> Result<(), String> {
        let top = *self.stack.last().ok_or(EMPTY)?;
        if let Value::Dict(dict) = &mut self.values[top] {
            dict.extend(pairs);
        }
        Ok(())
    }

    /// A value in a message.
    pub fn shown(&self, id: Id) -> String {
        match self.get(id) {
            Value::Text(text) => text.chars().take(200).collect(),
            Value::Global(name) | Value::Opaque(name) => name.clone(),
            _ => "?".to_owned(),
        }
    }
}

const EMPTY: &str = "pickle stack underflow";

fn pairs(items: Vec<Id>) -> Vec<(Id, Id)> {
    items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)).collect()
}

/// So many bytes off the front.
fn take<'a>(code: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let left = code.len();
    let taken = usize::try_from(length).ok().and_then(|length| code.split_at_checked(length));
    let (taken, rest) =
        taken.ok_or_else(|| format!("a pickle with {length} bytes where {left} are left"))?;
    *code = rest;
    Ok(taken)
}

fn take_array<const N: usize>(code: &mut &[u8]) -> Result<[u8; N], String> {
    let (array, rest) = code.split_first_chunk().ok_or("a pickle that is cut short")?;
    *code = rest;
    Ok(*array)
}

/// A little-endian length of `N` bytes.
fn length_of<const N: usize>(code: &mut &[u8]) -> Result<u64, String> {
    let mut whole = [0; 8];
    whole[..N].copy_from_slice(&take_array::<N>(code)?);
    Ok(u64::from_le_bytes(whole))
}

/// A line off the front, without its end.
fn line(code: &mut &[u8]) -> Result<String, String> {
    let end = code.iter().position(|byte| *byte == b'\n').ok_or("a pickle that is cut short")?;
    let text = String::from_utf8_lossy(&code[..end]).into_owned();
    *code = &code[end + 1..];
    Ok(text)
}

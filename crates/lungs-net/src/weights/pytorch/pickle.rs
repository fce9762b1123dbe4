//! An interpreter for pickles that cannot call anything.
//!
//! Values are stored in one vector and refer to each other by index. Shared values stay shared,
//! cycles are harmless, and deep nesting needs no recursion.

use std::collections::HashMap;

/// Index of a value in [`Machine::values`].
pub(crate) type Id = usize;

/// An unpickled value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A number that no tensor needs: a float, or an integer of more than 64 bits.
    Number,
    Text(String),
    Bytes,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class, `module name`.
    Global(String),
    /// A reference to numbers outside the pickle.
    Storage(Storage),
    Tensor(Tensor),
    /// The result of a call that is not supported; the name of the callable.
    Opaque(String),
}

/// A reference to numbers outside the pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// `FloatStorage` and so on.
    pub class: String,
    /// Key of the numbers in the container.
    pub key: String,
    /// Declared length in numbers.
    pub count: usize,
    /// Start of the view within the storage, in numbers.
    pub offset: usize,
}

/// A view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The interpreter's state.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub values: Vec<Value>,
    pub(super) stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine {
    /// Runs one pickle from the front of `code`. Returns the index of its result.
    ///
    /// # Errors
    /// The fault of the pickle.
    pub(super) fn run(&mut self, code: &mut &[u8]) -> Result<Id, String> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            let [opcode] = take_array(code)?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode, code)?;
        }
    }

    /// The value at an index.
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }

    fn step(&mut self, opcode: u8, code: &mut &[u8]) -> Result<(), String> {
        match opcode {
            // Protocol and frame.
            0x80 => drop(take_array::<1>(code)?),
            0x95 => drop(take_array::<8>(code)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => self.stack.push(self.top()?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'I' | b'L' | b'F' | b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' => {
                self.number(opcode, code)?;
            }
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d => self.text(opcode, code)?,
            b'B' | b'C' | 0x8e | 0x96 => self.bytes(opcode, code)?,
            b')' | b']' | 0x8f | b'}' | b't' | 0x85..=0x87 | b'l' | 0x91 | b'd' => {
                self.collection(opcode)?;
            }
            b'a' | b'e' | 0x90 | b's' | b'u' => self.fill(opcode)?,
            b'c' | b'i' | 0x93 | b'R' | 0x81 | 0x92 | b'o' | b'b' => self.object(opcode, code)?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.memo(opcode, code)?,
            b'Q' => {
                let reference = self.pop()?;
                let storage = self.storage(reference)?;
                self.push(Value::Storage(storage));
            }
            other => return Err(format!("unknown pickle opcode {other:#04x}")),
        }
        Ok(())
    }

    fn bytes(&mut self, opcode: u8, code: &mut &[u8]) -> Result<(), String> {
        let length = match opcode {
            b'C' => length_of::<1>(code)?,
            b'B' => length_of::<4>(code)?,
            _ => length_of::<8>(code)?,
        };
        take(code, length)?;
        self.push(Value::Bytes);
        Ok(())
    }

    /// Makes a tuple, list or dictionary, of nothing or of values on the stack.
    fn collection(&mut self, opcode: u8) -> Result<(), String> {
        let value = match opcode {
            b')' => Value::Tuple(vec![]),
            b']' | 0x8f => Value::List(vec![]),
            b'}' => Value::Dict(vec![]),
            b't' => Value::Tuple(self.since_mark()?),
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or(STACK_UNDERFLOW)?;
                Value::Tuple(self.stack.split_off(from))
            }
            b'd' => Value::Dict(pairs(self.since_mark()?)),
            _ => Value::List(self.since_mark()?),
        };
        self.push(value);
        Ok(())
    }

    /// Adds values on the stack to the list or dictionary below them.
    fn fill(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![(key, value)])
            }
            b'u' => {
                let pairs = pairs(self.since_mark()?);
                self.insert(pairs)
            }
            _ => {
                let items = self.since_mark()?;
                self.extend(items)
            }
        }
    }

    /// Names a class or function, or calls one.
    fn object(&mut self, opcode: u8, code: &mut &[u8]) -> Result<(), String> {
        match opcode {
            b'c' => {
                let name = format!("{} {}", line(code)?, line(code)?);
                self.push(Value::Global(name));
            }
            b'i' => {
                let name = format!("{} {}", line(code)?, line(code)?);
                self.since_mark()?;
                self.push(Value::Opaque(name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let name = format!("{} {}", self.name(module), self.name(name));
                self.push(Value::Global(name));
            }
            b'o' => {
                let items = self.since_mark()?;
                let class = items.first().map_or(String::new(), |&class| self.name(class));
                self.push(Value::Opaque(class));
            }
            // The state of an object; objects are not built.
            b'b' => drop(self.pop()?),
            _ => {
                if opcode == 0x92 {
                    // Arguments by name.
                    self.pop()?;
                }
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
        }
        Ok(())
    }

    /// Stores the top of the stack in the memo, or pushes an entry of it.
    fn memo(&mut self, opcode: u8, code: &mut &[u8]) -> Result<(), String> {
        let key = match opcode {
            b'p' | b'g' => line(code)?.trim().parse().map_err(|_| INVALID_MEMO_KEY)?,
            b'q' | b'h' => length_of::<1>(code)?,
            b'r' | b'j' => length_of::<4>(code)?,
            _ => self.memo.len() as u64,
        };
        match opcode {
            b'g' | b'h' | b'j' => self.recall(key),
            _ => self.remember(key),
        }
    }

    fn number(&mut self, opcode: u8, code: &mut &[u8]) -> Result<(), String> {
        let value = match opcode {
            b'K' => Value::Int(i64::from(take_array::<1>(code)?[0])),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(take_array(code)?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(take_array(code)?))),
            b'G' => {
                take_array::<8>(code)?;
                Value::Number
            }
            0x8a | 0x8b => {
                let length =
                    if opcode == 0x8a { length_of::<1>(code)? } else { length_of::<4>(code)? };
                let bytes = take(code, length)?;
                match bytes.len() {
                    0..=8 => {
                        let sign = bytes.last().is_some_and(|byte| *byte >= 0x80);
                        let mut padded = [if sign { 0xff } else { 0 }; 8];
                        padded[..bytes.len()].copy_from_slice(bytes);
                        Value::Int(i64::from_le_bytes(padded))
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

    fn text(&mut self, opcode: u8, code: &mut &[u8]) -> Result<(), String> {
        let text = match opcode {
            b'S' => line(code)?.trim_matches(['\'', '"']).to_owned(),
            b'V' => line(code)?,
            _ => {
                let length = match opcode {
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
        Ok(self.stack.pop().ok_or(STACK_UNDERFLOW)?)
    }

    fn top(&self) -> Result<Id, String> {
        Ok(*self.stack.last().ok_or(STACK_UNDERFLOW)?)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark =
            self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or(STACK_UNDERFLOW)?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, key: u64) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let id = *self.memo.get(&key).ok_or_else(|| format!("pickle memo has no entry {key}"))?;
        self.stack.push(id);
        Ok(())
    }

    /// Appends to the list on top of the stack. Items for other objects are dropped.
    fn extend(&mut self, items: Vec<Id>) -> Result<(), String> {
        let top = self.top()?;
        if let Value::List(list) = &mut self.values[top] {
            list.extend(items);
        }
        Ok(())
    }

    fn insert(&mut self, pairs: Vec<(Id, Id)>) -> Result<(), String> {
        let top = self.top()?;
        if let Value::Dict(dict) = &mut self.values[top] {
            dict.extend(pairs);
        }
        Ok(())
    }

    /// The text or name of a value, for keys and messages.
    pub(super) fn name(&self, id: Id) -> String {
        match self.get(id) {
            Value::Text(text) => text.chars().take(200).collect(),
            Value::Global(name) | Value::Opaque(name) => name.clone(),
            _ => "?".to_owned(),
        }
    }
}

const STACK_UNDERFLOW: &str = "pickle stack underflow";
const INVALID_MEMO_KEY: &str = "pickle memo key is not a number";
const TRUNCATED: &str = "truncated pickle";

fn pairs(items: Vec<Id>) -> Vec<(Id, Id)> {
    items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)).collect()
}

/// Takes `length` bytes from the front.
fn take<'a>(code: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let remaining = code.len();
    let split = usize::try_from(length).ok().and_then(|length| code.split_at_checked(length));
    let (front, rest) = split.ok_or_else(|| {
        format!("truncated pickle: expected {length} bytes, {remaining} bytes remain")
    })?;
    *code = rest;
    Ok(front)
}

fn take_array<const N: usize>(code: &mut &[u8]) -> Result<[u8; N], String> {
    let (array, rest) = code.split_first_chunk().ok_or(TRUNCATED)?;
    *code = rest;
    Ok(*array)
}

/// A little-endian length of `N` bytes.
fn length_of<const N: usize>(code: &mut &[u8]) -> Result<u64, String> {
    let mut padded = [0; 8];
    padded[..N].copy_from_slice(&take_array::<N>(code)?);
    Ok(u64::from_le_bytes(padded))
}

/// Takes a line from the front, without its line break.
fn line(code: &mut &[u8]) -> Result<String, String> {
    let end = code.iter().position(|byte| *byte == b'\n').ok_or(TRUNCATED)?;
    let text = String::from_utf8_lossy(&code[..end]).into_owned();
    *code = &code[end + 1..];
    Ok(text)
}

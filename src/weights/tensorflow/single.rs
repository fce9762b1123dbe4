//! V1: tables that hold the numbers themselves, a variable in one slice or in several.

use super::super::numbers::Kind;
use super::super::{Archive, LeftOut, ReadError};
use super::kind::{kind_of, shape};
use super::proto::{Value, fields};
use super::{shown, table};
use crate::model::Variable;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A variable that slices fill.
struct Growing {
    kind: Kind,
    shape: Vec<usize>,
    values: Vec<f32>,
    filled: usize,
}

/// Where a slice lies along one axis; all of it where nothing is said.
type Extent = Option<(usize, usize)>;

pub fn read(files: &[PathBuf]) -> Result<Archive, ReadError> {
    let mut variables: BTreeMap<String, Growing> = BTreeMap::new();
    for path in files {
        let bytes = std::fs::read(path).map_err(|e| ReadError::io(path, e))?;
        read_file(&bytes, files.len(), &mut variables)
            .map_err(|what| ReadError::damaged(path, what))?;
    }
    let mut archive = Archive::default();
    for (name, Growing { kind, shape, values, filled }) in variables {
        match kind {
            Kind::Other(what) => archive.left_out.push(LeftOut { name, what: what.to_owned() }),
            _ if filled == shape.iter().product::<usize>() => {
                archive.arrays.push(Variable { name, shape, values });
            }
            _ => {
                let first = files.first().map_or(Path::new(""), PathBuf::as_path);
                let of = shape.iter().product::<usize>();
                let what = format!("{name}: {filled} of its {of} numbers are there");
                return Err(ReadError::damaged(first, what));
            }
        }
    }
    Ok(archive)
}

fn read_file(
    bytes: &[u8],
    files: usize,
    variables: &mut BTreeMap<String, Growing>,
) -> Result<(), String> {
    // A number takes at least two bytes, and only half of them where slices are in other files.
    let mut room = bytes.len().saturating_mul(files.max(1));
    let mut told = false;
    table::for_each(bytes, |key, message| {
        for field in fields(message) {
            match (key.is_empty(), field?) {
                (true, (1, value)) => {
                    told = true;
                    for field in fields(value.bytes("what is saved")?) {
                        if let (1, value) = field? {
                            let (name, growing) = announced(value.bytes("a variable")?, &mut room)?;
                            variables.entry(name).or_insert(growing);
                        }
                    }
                }
                (false, (2, value)) => fill(value.bytes("a slice")?, variables)?,
                _ => {}
            }
        }
        Ok(())
    })?;
    if told {
        Ok(())
    } else {
        Err("it is a table that does not say which variables it holds".to_owned())
    }
}

/// A variable that the table says it holds.
fn announced(message: &[u8], room: &mut usize) -> Result<(String, Growing), String> {
    let (mut name, mut dtype, mut sides) = (String::new(), 0, (vec![], 1));
    for field in fields(message) {
        match field? {
            (1, value) => name = shown(value.bytes("a name")?),
            (2, value) => sides = shape(value.bytes("a shape")?)?,
            (3, value) => dtype = value.number("a type")?,
            _ => {}
        }
    }
    let kind = kind_of(dtype);
    let (shape, count) = sides;
    let mut values = vec![];
    if !matches!(kind, Kind::Other(_)) {
        *room = room.checked_sub(count).ok_or_else(|| {
            format!("{name} has the shape {shape:?}: more than the file can hold")
        })?;
        values = vec![0.0; count];
    }
    Ok((name, Growing { kind, shape, values, filled: 0 }))
}

/// Puts a slice into its variable.
fn fill(message: &[u8], variables: &mut BTreeMap<String, Growing>) -> Result<(), String> {
    let (mut name, mut extents, mut tensor) = (String::new(), vec![], None);
    for field in fields(message) {
        match field? {
            (1, value) => name = shown(value.bytes("a name")?),
            (2, value) => extents = slice(value.bytes("a slice")?)?,
            (3, value) => tensor = Some(value.bytes("numbers")?),
            _ => {}
        }
    }
    let Some(variable) = variables.get_mut(&name) else {
        return Err(format!("a slice of {name}, which is not among its variables"));
    };
    if matches!(variable.kind, Kind::Other(_)) {
        return Ok(());
    }
    let mut lengths = variable.shape.clone();
    let mut starts = vec![0; lengths.len()];
    for (axis, extent) in extents.into_iter().enumerate() {
        let Some((start, length)) = extent else { continue };
        let side = lengths.get_mut(axis).ok_or_else(|| format!("{name}: a slice of more axes"))?;
        if start.checked_add(length).is_none_or(|end| end > *side) {
            return Err(format!("{name}: a slice beyond its shape {:?}", variable.shape));
        }
        (starts[axis], *side) = (start, length);
    }
    let values = numbers(variable.kind, tensor.unwrap_or_default())?;
    let count: usize = lengths.iter().product();
    // What is the same throughout may be stored once.
    let values = if values.len() == 1 { vec![values[0]; count] } else { values };
    if values.len() != count || variable.filled + count > variable.values.len() {
        return Err(format!("{name}: a slice of shape {lengths:?} with {} numbers", values.len()));
    }
    variable.filled += count;
    place(&values, &mut variable.values, &variable.shape, &starts, &lengths);
    Ok(())
}

/// Copies a block of these lengths into an array of this shape, row by row.
fn place(from: &[f32], to: &mut [f32], shape: &[usize], starts: &[usize], lengths: &[usize]) {
    let row = lengths.last().copied().unwrap_or(1);
    if row == 0 {
        return;
    }
    for (index, row_values) in from.chunks_exact(row).enumerate() {
        let (mut rest, mut at, mut stride) = (index, 0, 1);
        for axis in (0..shape.len()).rev() {
            let within = if axis + 1 == shape.len() {
                0
            } else {
                let within = rest % lengths[axis];
                rest /= lengths[axis];
                within
            };
            at += (starts[axis] + within) * stride;
            stride *= shape[axis];
        }
        to[at..at + row].copy_from_slice(row_values);
    }
}

fn slice(message: &[u8]) -> Result<Vec<Extent>, String> {
    let mut extents = vec![];
    for field in fields(message) {
        let (1, value) = field? else { continue };
        let (mut start, mut length) = (0, None);
        for field in fields(value.bytes("an extent")?) {
            match field? {
                (1, value) => start = value.number("a start")?,
                (2, value) => length = Some(value.number("a length")?),
                _ => {}
            }
        }
        let whole = |number: u64| usize::try_from(number).map_err(|_| format!("a place {number}"));
        extents.push(match length {
            Some(length) => Some((whole(start)?, whole(length)?)),
            None => None,
        });
        if extents.len() > 16 {
            return Err("a slice of more than 16 axes".to_owned());
        }
    }
    Ok(extents)
}

/// The numbers of a `TensorProto`.
fn numbers(kind: Kind, message: &[u8]) -> Result<Vec<f32>, String> {
    let mut numbers = vec![];
    for field in fields(message) {
        match (field?, kind) {
            ((4, Value::Bytes(content)), _) if !content.is_empty() => {
                numbers.extend(kind.numbers(content));
            }
            ((5, Value::Bytes(packed)), Kind::F32) => numbers.extend(Kind::F32.numbers(packed)),
            ((5, Value::Four(bytes)), Kind::F32) => numbers.push(f32::from_le_bytes(bytes)),
            ((6, Value::Bytes(packed)), Kind::F64) => numbers.extend(Kind::F64.numbers(packed)),
            ((6, Value::Eight(bytes)), Kind::F64) => numbers.push(f64::from_le_bytes(bytes) as f32),
            ((13, Value::Bytes(mut packed)), Kind::F16 | Kind::Bf16) => {
                while !packed.is_empty() {
                    numbers.push(half(kind, super::proto::varint(&mut packed)?));
                }
            }
            ((13, Value::Number(bits)), Kind::F16 | Kind::Bf16) => numbers.push(half(kind, bits)),
            _ => {}
        }
    }
    Ok(numbers)
}

fn half(kind: Kind, bits: u64) -> f32 {
    match kind {
        Kind::Bf16 => half::bf16::from_bits(bits as u16).to_f32(),
        _ => half::f16::from_bits(bits as u16).to_f32(),
    }
}

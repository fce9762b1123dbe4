//! V1: tables that contain the numbers themselves, each variable in one or more slices.

use super::super::numbers::Kind;
use super::super::{Archive, ReadError, UnusedEntry};
use super::kind::{kind_of, shape};
use super::proto::{Value, fields};
use super::{readable, table};
use crate::model::Variable;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A variable while its slices are read.
struct PartialVariable {
    kind: Kind,
    shape: Vec<usize>,
    values: Vec<f32>,
    /// Number of values read so far.
    filled: usize,
}

/// Start and length of a slice along one axis; `None` for the full axis.
type Extent = Option<(usize, usize)>;

pub(super) fn read(files: &[PathBuf]) -> Result<Archive, ReadError> {
    let mut variables: BTreeMap<String, PartialVariable> = BTreeMap::new();
    for path in files {
        let bytes = std::fs::read(path).map_err(|e| ReadError::io(path, e))?;
        read_file(&bytes, files.len(), &mut variables)
            .map_err(|message| ReadError::damaged(path, message))?;
    }
    let mut archive = Archive::default();
    for (name, PartialVariable { kind, shape, values, filled }) in variables {
        match kind {
            Kind::Other(description) => archive
                .unused_entries
                .push(UnusedEntry { name, description: description.to_owned() }),
            _ if filled == shape.iter().product::<usize>() => {
                archive.arrays.push(Variable { name, shape, values });
            }
            _ => {
                let first = files.first().map_or(Path::new(""), PathBuf::as_path);
                let expected = shape.iter().product::<usize>();
                let message = format!("{name}: found {filled} of {expected} numbers");
                return Err(ReadError::damaged(first, message));
            }
        }
    }
    Ok(archive)
}

fn read_file(
    bytes: &[u8],
    files: usize,
    variables: &mut BTreeMap<String, PartialVariable>,
) -> Result<(), String> {
    // Upper bound for the numbers of all variables: one per byte of as many files of this size.
    let mut capacity = bytes.len().saturating_mul(files.max(1));
    let mut has_header = false;
    table::for_each(bytes, |key, message| {
        for field in fields(message) {
            match (key.is_empty(), field?) {
                (true, (1, value)) => {
                    has_header = true;
                    for field in fields(value.bytes("the list of variables")?) {
                        if let (1, value) = field? {
                            let (name, variable) =
                                empty_variable(value.bytes("a variable")?, &mut capacity)?;
                            variables.entry(name).or_insert(variable);
                        }
                    }
                }
                (false, (2, value)) => fill(value.bytes("a slice")?, variables)?,
                _ => {}
            }
        }
        Ok(())
    })?;
    if has_header { Ok(()) } else { Err("the table has no list of variables".to_owned()) }
}

/// A variable from the table's list, without values. `capacity` is how many numbers may still be
/// allocated.
fn empty_variable(
    message: &[u8],
    capacity: &mut usize,
) -> Result<(String, PartialVariable), String> {
    let (mut name, mut dtype, mut shape_and_count) = (String::new(), 0, (vec![], 1));
    for field in fields(message) {
        match field? {
            (1, value) => name = readable(value.bytes("a name")?),
            (2, value) => shape_and_count = shape(value.bytes("a shape")?)?,
            (3, value) => dtype = value.number("a type")?,
            _ => {}
        }
    }
    let kind = kind_of(dtype);
    let (shape, count) = shape_and_count;
    let mut values = vec![];
    if !matches!(kind, Kind::Other(_)) {
        *capacity = capacity.checked_sub(count).ok_or_else(|| {
            format!("{name} has shape {shape:?}, which has more numbers than the file")
        })?;
        values = vec![0.0; count];
    }
    Ok((name, PartialVariable { kind, shape, values, filled: 0 }))
}

/// Copies a slice into its variable.
fn fill(message: &[u8], variables: &mut BTreeMap<String, PartialVariable>) -> Result<(), String> {
    let (mut name, mut extents, mut tensor) = (String::new(), vec![], None);
    for field in fields(message) {
        match field? {
            (1, value) => name = readable(value.bytes("a name")?),
            (2, value) => extents = slice(value.bytes("a slice")?)?,
            (3, value) => tensor = Some(value.bytes("numbers")?),
            _ => {}
        }
    }
    let Some(variable) = variables.get_mut(&name) else {
        return Err(format!("a slice of {name}, which is not in the list of variables"));
    };
    if matches!(variable.kind, Kind::Other(_)) {
        return Ok(());
    }
    let mut lengths = variable.shape.clone();
    let mut starts = vec![0; lengths.len()];
    for (axis, extent) in extents.into_iter().enumerate() {
        let Some((start, length)) = extent else { continue };
        let side = lengths
            .get_mut(axis)
            .ok_or_else(|| format!("{name}: a slice has more axes than its variable"))?;
        if start.checked_add(length).is_none_or(|end| end > *side) {
            return Err(format!("{name}: a slice exceeds the shape {:?}", variable.shape));
        }
        (starts[axis], *side) = (start, length);
    }
    let values = numbers(variable.kind, tensor.unwrap_or_default())?;
    let count: usize = lengths.iter().product();
    // A constant slice may be stored as one number.
    let values = if values.len() == 1 { vec![values[0]; count] } else { values };
    if values.len() != count || variable.filled + count > variable.values.len() {
        return Err(format!("{name}: a slice of shape {lengths:?} has {} numbers", values.len()));
    }
    variable.filled += count;
    copy_block(&values, &mut variable.values, &variable.shape, &starts, &lengths);
    Ok(())
}

/// Copies a block of these lengths into an array of this shape, row by row.
fn copy_block(from: &[f32], to: &mut [f32], shape: &[usize], starts: &[usize], lengths: &[usize]) {
    let row = lengths.last().copied().unwrap_or(1);
    if row == 0 {
        return;
    }
    for (index, row_values) in from.chunks_exact(row).enumerate() {
        let (mut rest, mut offset, mut stride) = (index, 0, 1);
        for axis in (0..shape.len()).rev() {
            let within = if axis + 1 == shape.len() {
                0
            } else {
                let within = rest % lengths[axis];
                rest /= lengths[axis];
                within
            };
            offset += (starts[axis] + within) * stride;
            stride *= shape[axis];
        }
        to[offset..offset + row].copy_from_slice(row_values);
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
        let to_usize = |number: u64| {
            usize::try_from(number)
                .map_err(|_| format!("a slice bound is {number}, which is too large"))
        };
        extents.push(match length {
            Some(length) => Some((to_usize(start)?, to_usize(length)?)),
            None => None,
        });
        if extents.len() > 16 {
            return Err("a slice has more than 16 axes".to_owned());
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

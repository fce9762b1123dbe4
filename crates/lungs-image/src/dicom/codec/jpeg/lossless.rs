//! Lossless JPEG (T.81, annex H): each sample is predicted from its neighbours.

use super::super::Shape;
use super::Header;

pub(super) fn decode(header: &Header, shape: Shape, out: &mut [u16]) -> Result<(), String> {
    let (shift, columns) = (header.point_transform, shape.columns);
    if shift >= header.precision || !(1..=7).contains(&header.predictor) {
        return Err(format!(
            "predictor {} with a point transform of {shift}, expected a predictor of 1 to 7 and a \
             point transform below {}",
            header.predictor, header.precision
        ));
    }
    let interval = header.restart_interval;
    if !interval.is_multiple_of(columns) {
        return Err(format!("a restart interval of {interval} samples, expected whole rows"));
    }
    let rows_between = interval / columns;
    let first_prediction = 1_i32 << (header.precision - shift - 1);
    let mut bits = header.bits();
    let mut restarted = 0;
    for row in 0..shape.rows {
        if rows_between > 0 && row > 0 && row.is_multiple_of(rows_between) {
            bits.restart().ok_or_else(|| format!("no restart marker before row {row}"))?;
            restarted = row;
        }
        let (above, line) = out.split_at_mut(row * columns);
        let above = if row == restarted { None } else { above.get((row - 1) * columns..) };
        let line = &mut line[..columns];
        let mut left = 0;
        for x in 0..columns {
            let prediction = match above {
                _ if x > 0 && above.is_none() => left,
                None => first_prediction,
                Some(above) if x == 0 => i32::from(above[0]),
                Some(above) => {
                    predict(header.predictor, left, i32::from(above[x]), i32::from(above[x - 1]))
                }
            };
            let damaged = || format!("the JPEG data ends early or is damaged, in row {row}");
            let size = bits.symbol(&header.dc).ok_or_else(damaged)?;
            let difference = match size {
                0..=15 => bits.signed(u32::from(size)).ok_or_else(damaged)?,
                16 => 1 << 15,
                _ => return Err(damaged()),
            };
            left = (prediction + difference) & 0xFFFF;
            line[x] = left as u16;
        }
    }
    if shift > 0 {
        out.iter_mut().for_each(|sample| *sample <<= shift);
    }
    Ok(())
}

/// Table H.1, with `a` to the left, `b` above and `c` between them.
fn predict(predictor: u8, a: i32, b: i32, c: i32) -> i32 {
    match predictor {
        1 => a,
        2 => b,
        3 => c,
        4 => a + b - c,
        5 => a + ((b - c) >> 1),
        6 => b + ((a - c) >> 1),
        _ => (a + b) >> 1,
    }
}

//! The shape of a frame.

/// The expected size of a frame.
#[derive(Clone, Copy, Debug)]
pub(in crate::dicom) struct Shape {
    pub rows: usize,
    pub columns: usize,
    /// 8 or 16.
    pub bits_allocated: u32,
}

impl Shape {
    pub(in crate::dicom) fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Compares the values of a frame's header with the expected ones.
    pub(super) fn check(&self, rows: usize, columns: usize, precision: u32) -> Result<(), String> {
        if (rows, columns) != (self.rows, self.columns) {
            return Err(format!(
                "the frame header gives {rows} rows × {columns} columns, expected {} × {} as in Rows \
                 (0028,0010) and Columns (0028,0011)",
                self.rows, self.columns
            ));
        }
        if precision > self.bits_allocated {
            return Err(format!(
                "the frame has {precision} bits per sample, expected at most {} (BitsAllocated \
                 (0028,0100))",
                self.bits_allocated
            ));
        }
        Ok(())
    }
}

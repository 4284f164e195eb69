//! Products with weights of 8 bits, `y = W x`, for inputs in `f32`.
//!
//! 32 weights of a row share a scale and an offset, `w = s q + o`, `-128 <= q <= 127`, so that
//! `y = sum over blocks of (s sum q x + o sum x)`. Weights that the file has in 8 bits (`Q8_0`) stay as they are, with offsets of 0; of all
//! others a block goes from its smallest number to its greatest or is even about 0, whichever loses less: next to nothing of 4 or 5 bits.
//! Inputs are not rounded: to do so, as is usual, moved likelihoods of SmolLM2-135M by up to .12 per token, and differently on different processors.
//!
//! A few rows are bound by memory: weights go from bytes to sums at once. Many rows are bound by arithmetic: weights are written out in
//! `f32`, [`PANEL`] outputs at a time, and multiplied by rten's kernels. Each number has one order of summation, whatever the threads.

use std::ops::Range;

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Result, bail};
use half::f16;
use pulp::Arch;
use rayon::prelude::*;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;

/// Weights that share a scale.
const BLOCK: usize = 32;
/// Numbers that are added up side by side: half a block.
const LANES: usize = BLOCK / 2;
/// Rows up to which weights are not written out.
const FEW: usize = 3;
/// Outputs whose weights are written out at once.
const PANEL: usize = 128;
/// Products of a few rows that one thread takes at once.
const ALONE: usize = 400_000;

/// A matrix of weights.
pub(super) struct Product {
    inputs: usize,
    numbers: Vec<i8>,
    /// Scale and offset of each block.
    scales: Vec<[f32; 2]>,
}

impl Product {
    /// Weights row by output, of a length that is a multiple of 32.
    ///
    /// # Errors
    /// For weights that candle cannot read, and for numbers that are not finite: rounding would make something of them in silence.
    pub(super) fn new(matrix: &QTensor) -> Result<Self> {
        let inputs = matrix.shape().dims().last().copied().unwrap_or_default();
        let n = matrix.shape().elem_count();
        let (mut numbers, mut scales) = (Vec::with_capacity(n), Vec::with_capacity(n / BLOCK));
        if matrix.dtype() == GgmlDType::Q8_0 {
            for block in matrix.data()?.as_chunks::<{ 2 + BLOCK }>().0 {
                scales.push([f16::from_le_bytes([block[0], block[1]]).to_f32(), 0.0]);
                numbers.extend(block[2..].iter().map(|byte| byte.cast_signed()));
            }
        } else {
            let weights = matrix.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?;
            for block in weights.to_vec1::<f32>()?.as_chunks::<BLOCK>().0 {
                if block.iter().any(|weight| weight.is_nan()) {
                    bail!("numbers that are not finite");
                }
                let low = block.iter().copied().fold(f32::INFINITY, f32::min);
                let high = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let whole = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
                let even = (high.max(-low) / 127.0).max(f32::MIN_POSITIVE);
                let ways = [[even, 0.0], [whole, low + 128.0 * whole]].map(|way| (rounded(block, way), way));
                let [(first, first_way), (second, second_way)] = ways;
                let is_first = loss(block, &first, first_way) <= loss(block, &second, second_way);
                scales.push(if is_first { first_way } else { second_way });
                numbers.extend(if is_first { first } else { second });
            }
        }
        if scales.iter().flatten().any(|x| !x.is_finite()) {
            bail!("numbers that are not finite");
        }
        Ok(Self { inputs, numbers, scales })
    }

    /// Rows, one of each output.
    pub(super) fn outputs(&self) -> usize {
        self.numbers.len() / self.inputs.max(1)
    }

    /// The weights of an output.
    pub(super) fn weights(&self, output: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.inputs];
        self.write(output, &mut row);
        row
    }

    /// Outputs of rows of inputs, row by row.
    pub(super) fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let n = rows.len() / self.inputs.max(1);
        // To wake another thread takes as long as a few hundred thousand products.
        let width = if n > FEW { PANEL } else { ALONE.div_ceil(self.inputs.max(1) * n.max(1)) };
        let panels: Vec<Range<usize>> = (0..self.outputs())
            .step_by(width)
            .map(|first| first..(first + width).min(self.outputs()))
            .collect();
        let part = |outputs: &Range<usize>| {
            if n <= FEW { self.few(rows, outputs.clone()) } else { self.many(rows, outputs.clone()) }
        };
        // Each panel's outputs, row by row.
        let parts: Vec<Vec<f32>> = match &panels[..] {
            [only] => vec![part(only)],
            _ => panels.par_iter().map(part).collect(),
        };
        let mut out = Vec::with_capacity(n * self.outputs());
        for row in 0..n {
            for (part, outputs) in parts.iter().zip(&panels) {
                out.extend_from_slice(&part[row * outputs.len()..(row + 1) * outputs.len()]);
            }
        }
        out
    }

    fn few(&self, rows: &[f32], outputs: Range<usize>) -> Vec<f32> {
        let blocks = self.inputs / BLOCK;
        let own = outputs.start * blocks..outputs.end * blocks;
        let (numbers, scales) = (&self.numbers.as_chunks::<BLOCK>().0[own.clone()], &self.scales[own]);
        let mut out = vec![0.0; rows.len() / self.inputs.max(1) * outputs.len()];
        for (row, out) in rows.chunks_exact(self.inputs).zip(out.chunks_exact_mut(outputs.len())) {
            let inputs = row.as_chunks::<BLOCK>().0;
            let sums: Vec<f32> = inputs.iter().map(|block| block.iter().sum()).collect();
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    let (out, inputs, sums) = (out, inputs, &sums[..]);
                    let weights = numbers.chunks_exact(blocks).zip(scales.chunks_exact(blocks));
                    for (out, (numbers, scales)) in out.iter_mut().zip(weights) {
                        *out = dot(numbers, scales, inputs, sums);
                    }
                },
            );
        }
        out
    }

    fn many(&self, rows: &[f32], outputs: Range<usize>) -> Vec<f32> {
        let (n, width) = (rows.len() / self.inputs, outputs.len());
        let mut weights = vec![0.0; width * self.inputs];
        let into = weights.chunks_exact_mut(self.inputs);
        outputs.zip(into).for_each(|(output, into)| self.write(output, into));
        let mut out = vec![0.0; n * width];
        let rows = GemmInputA::Unpacked(NdTensorView::from_data([n, self.inputs], rows));
        let weights = NdTensorView::from_data([width, self.inputs], &weights[..]);
        let weights = GemmInputB::Unpacked(weights.transposed());
        // It fails for shapes that do not fit each other alone, and these are this matrix's own.
        let done = GemmExecutor::<f32>::default().gemm(&mut out, rows, weights, GemmOptions::default());
        debug_assert!(done.is_ok());
        out
    }

    fn write(&self, output: usize, into: &mut [f32]) {
        let own = output * self.inputs / BLOCK..(output + 1) * self.inputs / BLOCK;
        let (numbers, scales) = (&self.numbers.as_chunks::<BLOCK>().0[own.clone()], &self.scales[own]);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let into = into;
                for ((into, numbers), [scale, offset]) in
                    into.as_chunks_mut::<BLOCK>().0.iter_mut().zip(numbers).zip(scales)
                {
                    into.iter_mut().zip(numbers).for_each(|(x, q)| *x = f32::from(*q) * scale + offset);
                }
            },
        );
    }
}

/// Weights as whole numbers of a scale beyond an offset.
fn rounded(block: &[f32; BLOCK], [scale, offset]: [f32; 2]) -> [i8; BLOCK] {
    block.map(|weight| ((weight - offset) / scale).round() as i8)
}

/// The sum of squares of what rounding changed.
fn loss(block: &[f32; BLOCK], rounded: &[i8; BLOCK], [scale, offset]: [f32; 2]) -> f32 {
    block.iter().zip(rounded).map(|(weight, q)| (weight - f32::from(*q) * scale - offset).powi(2)).sum()
}

/// One output: what each lane adds up stays apart until the end.
#[inline(always)]
fn dot(numbers: &[[i8; BLOCK]], scales: &[[f32; 2]], inputs: &[[f32; BLOCK]], sums: &[f32]) -> f32 {
    let (mut lanes, mut offsets) = ([0.0f32; LANES], 0.0);
    for (((q, [scale, offset]), x), sum) in numbers.iter().zip(scales).zip(inputs).zip(sums) {
        for (lane, total) in lanes.iter_mut().enumerate() {
            let (first, second) =
                (f32::from(q[lane]) * x[lane], f32::from(q[lane + LANES]) * x[lane + LANES]);
            *total += scale * (first + second);
        }
        offsets += offset * sum;
    }
    lanes.iter().sum::<f32>() + offsets
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;

    fn weights(outputs: usize) -> Vec<f32> {
        (0..outputs * 64).map(|n| (n as f32 * 0.37).sin() + 0.2).collect()
    }

    fn quantised(weights: &[f32], kind: GgmlDType) -> QTensor {
        let whole = Tensor::from_vec(weights.to_vec(), (weights.len() / 64, 64), &Device::Cpu).unwrap();
        QTensor::quantize(&whole, kind).unwrap()
    }

    #[test]
    fn weights_that_are_no_numbers_are_refused() {
        for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut weights = weights(3);
            weights[70] = strange;
            assert!(Product::new(&quantised(&weights, GgmlDType::F32)).is_err(), "{strange}");
        }
        // A scale of f16 that is no number.
        let mut bytes = quantised(&weights(1), GgmlDType::Q8_0).data().unwrap().into_owned();
        bytes[1] = 0x7e;
        let storage =
            candle_core::quantized::QStorage::from_data(bytes.into(), &Device::Cpu, GgmlDType::Q8_0).unwrap();
        assert!(Product::new(&QTensor::new(storage, (1, 64)).unwrap()).is_err());
    }

    #[test]
    fn few_rows_and_many_have_the_products_of_the_written_weights() {
        for (kind, loss) in [(GgmlDType::Q8_0, 1e-7), (GgmlDType::Q4_1, 4e-3), (GgmlDType::F32, 5e-3)] {
            let matrix = quantised(&weights(300), kind);
            let product = Product::new(&matrix).unwrap();
            let whole: Vec<f32> =
                matrix.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(product.outputs(), 300);
            for (output, whole) in whole.chunks_exact(64).enumerate() {
                for (found, weight) in product.weights(output).iter().zip(whole) {
                    assert!((found - weight).abs() <= loss, "{kind:?}: {found} is not {weight}");
                }
            }
            for n in [1, 2, 9] {
                let rows: Vec<f32> = (0..n * 64).map(|n| (n as f32 * 0.73).cos()).collect();
                let found = product.apply(&rows);
                assert_eq!(found.len(), n * 300);
                for (row, found) in rows.chunks_exact(64).zip(found.chunks_exact(300)) {
                    for (output, found) in found.iter().enumerate() {
                        let expected: f32 = product.weights(output).iter().zip(row).map(|(w, x)| w * x).sum();
                        assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
                    }
                }
            }
        }
    }
}

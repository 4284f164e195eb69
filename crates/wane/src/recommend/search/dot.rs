//! The dot product of this room, in one order of summation on every machine.
//!
//! Eight partial sums, place `i` going to sum `i mod 8`, then a tree over the eight; no fused multiply-add. Each
//! search rescores with this function, so its ties and its order are those of a plain scan, bit for bit.

const SUMS: usize = 8;

/// `a . b` over the places that both have.
#[inline(always)]
pub(in crate::recommend) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = same_chunks(a, b);
    let mut sums = [0.0f32; SUMS];
    for (a, b) in a.iter().zip(b) {
        for place in 0..SUMS {
            sums[place] += a[place] * b[place];
        }
    }
    for (sum, (a, b)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *sum += a * b;
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

type Chunks<'a> = (&'a [[f32; SUMS]], &'a [f32]);

#[inline(always)]
fn same_chunks<'a>(a: &'a [f32], b: &'a [f32]) -> (Chunks<'a>, Chunks<'a>) {
    let both = a.len().min(b.len());
    (a[..both].as_chunks(), b[..both].as_chunks())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_the_sum_in_double_precision(
            pairs in proptest::collection::vec((-100.0f32..100.0, -100.0f32..100.0), 0..90),
            more in proptest::collection::vec(-100.0f32..100.0, 0..20),
        ) {
            let (a, mut b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            b.extend(more);
            let exact: f64 = pairs.iter().map(|&(a, b)| f64::from(a) * f64::from(b)).sum();
            let size: f64 = pairs.iter().map(|&(a, b)| (f64::from(a) * f64::from(b)).abs()).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() <= 1e-6 * size);
            prop_assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
        }
    }
}

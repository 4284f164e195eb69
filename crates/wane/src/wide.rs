//! Loops compiled for the widest vectors of the machine at hand, which is asked at run time.
//!
//! `pulp` calls a closure that it is given by `FnOnce::call_once`. For one that does not consume what it holds that is a function of the
//! compiler's own, which no attribute makes inline: the loop then stands outside of what was compiled for wide vectors, and runs on the
//! narrowest. By `FnMut::call_mut` the closure itself is called.

use pulp::{Arch, NullaryFnOnce};

struct Loop<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Loop<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

/// Runs a loop with the widest vectors. The closure, and what it calls, is to be `#[inline(always)]`.
#[inline(always)]
pub(crate) fn wide<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Loop(work))
}

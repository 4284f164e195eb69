//! Honest comparison of models: protocols, metrics, intervals, leakage.
//!
//! Useful for: saying which model is better, by how much and how surely. Not useful for: fitting.

mod bootstrap;
mod estimate;
mod evaluation;
mod forecast;
mod leakage;
mod metrics;
mod negatives;
mod protocol;
mod rank;
pub mod report;
mod run;
mod tune;

pub use crate::train::{Monitor, Unmonitored};
pub use estimate::Estimate;
pub use evaluation::{Evaluation, Lists, ModelResult, PartResult, ProtocolSummary};
pub use forecast::{Bin, ForecastResult, judge_forecasts};
pub use leakage::{Finding, LeakageQuestion, Severity, check_leakage};
pub use negatives::give_negatives;
pub use protocol::{Case, Part, Protocol, Span, Split, Targets};
pub use run::{JudgeSettings, Judged, judge};
pub use tune::{Search, Trial, tune};

//! The report: one HTML file that needs nothing else, for the screen and for paper.
//!
//! [`Report`] is plain data, [`render`] draws it. No script, no network, no external font: the file can be mailed,
//! archived and opened in ten years. Figures are SVG set by hand, because what they need (axes, lines, bars, whiskers) is
//! little and a chart library would bring scripts or bitmaps.

mod appendix;
mod chart;
mod comparison;
mod days;
mod drift;
mod from_evaluation;
mod headline;
mod interests;
mod laws;
mod leakage;
mod metric_name;
mod number;
mod overview;
mod page;
mod palette;
mod reasons;
mod reliability;
mod returns;
mod scale;
mod style;
mod svg;
mod timeline;
mod truth;
mod users;
mod view;

pub use page::render;
pub use view::{
    Bin, CourseAhead, Curve, DriftCourse, ExampleUser, InterestCourse, Law, Model, Overview, Part, PastEvent,
    Reason, Recommendation, Remark, Report, ReturnCell, RowAccount, TruthRow, TypeSeries,
};

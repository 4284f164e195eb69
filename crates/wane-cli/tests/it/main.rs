//! The command line as people and scripts use it: run as a program, judged by what it prints, writes and returns.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_use;
mod demo;
mod encode;
mod evaluate;
mod explain;
mod features;
mod fit;
mod forecast;
mod halflife;
mod http;
mod inspect;
mod profile;
mod readme;
mod recommend;
mod reference_config;
mod run;
mod serve;
mod serve_config;
mod serving_docs;
mod shells;
mod shop;
mod simulate;
mod texts;

//! What a user meets: the program, the language, runs, notebooks. One program, so that libtorch is
//! linked once.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[path = "../common/mod.rs"]
mod common;

mod access;
mod arrows;
mod check;
mod circles;
mod cuda;
mod differentiation;
mod display;
mod dry_run;
mod editors;
mod examples;
#[cfg(target_os = "linux")]
mod faults;
mod fetch;
mod fmt;
mod guard;
mod kernel;
mod language;
mod lost_work;
mod lsp;
mod machines;
mod modules;
mod operators;
mod papers;
mod ranks;
mod recipes;
mod repl;
mod reproduce;
mod resume;
mod runs;
#[cfg(feature = "evcxr")]
mod rust_cells;
mod scripts;
mod stranger;
mod wheel;
mod world;
mod wrong;

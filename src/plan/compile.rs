//! From what layers say of themselves to the calls of kernels.

use super::backward::Gradients;
use super::forward::Build;
use super::program::Program;
use super::sketch::Sketch;

/// The program of a sketch; with `half`, its maps multiply in bf16 where they can.
pub fn compile(sketch: &Sketch, half: bool) -> Program {
    let mut build = Build::new(sketch, half);
    Gradients::new(&mut build, sketch.output).run();
    build.program
}

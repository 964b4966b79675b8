//! The training loop: the step is the recipe, the loop is ours.

//! Evaluation: the paper's five claims, each in a file of its own, with the protocol beside every number.

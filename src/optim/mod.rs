//! Optimisers: update rules over one flat tensor of parameters, with learning-rate schedules, clipping and averaging.

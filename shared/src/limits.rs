//! Every bound of ssedge, with its unit and its reason.

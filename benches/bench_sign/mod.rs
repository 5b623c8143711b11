//! The parts of the benchmark `sign`.

pub(crate) mod boto3;
pub(crate) mod cases;
pub(crate) mod measure;
pub(crate) mod table;

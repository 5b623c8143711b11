//! Stories against a real kube-apiserver and a real S3 server: the real operator binary,
//! its resulting objects, and whether the URL downloads. One file a subject.

mod harness;

mod ownership;
mod problems;
mod restarts;
mod stories;

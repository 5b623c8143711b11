//! The table of broken requests.

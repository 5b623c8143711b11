//! A model of the API server: one revision counter, a log, and restores of earlier states.

use std::collections::BTreeMap;

use super::super::Versioned;

/// Scope and name.
pub type ScopedName = (u8, u8);

/// One version of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Value {
    pub version: u64,
    /// How often the server had been restored when this was written: the same version of the
    /// same key is another object after a restore.
    pub branch: u32,
}

impl Versioned for Value {
    fn version(&self) -> u64 {
        self.version
    }
}

pub type ServerObjects = BTreeMap<ScopedName, Value>;

/// What happened to a key at a revision; a deletion has no value.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub revision: u64,
    pub key: ScopedName,
    pub value: Option<Value>,
}

impl Event {
    pub fn apply(&self, objects: &mut ServerObjects) {
        match self.value {
            Some(value) => objects.insert(self.key, value),
            None => objects.remove(&self.key),
        };
    }
}

#[derive(Debug, Default)]
pub struct ModelServer {
    pub revision: u64,
    branch: u32,
    log: Vec<Event>,
    objects: ServerObjects,
}

impl ModelServer {
    pub fn get(&self, key: ScopedName) -> Option<Value> {
        self.objects.get(&key).copied()
    }

    pub fn objects(&self) -> &ServerObjects {
        &self.objects
    }

    /// All objects of a scope.
    pub fn list(&self, scope: u8) -> ServerObjects {
        self.objects.range((scope, 0)..=(scope, u8::MAX)).map(|(key, value)| (*key, *value)).collect()
    }

    /// Creates or updates.
    pub fn put(&mut self, key: ScopedName) -> Value {
        let value = Value { version: self.revision + 1, branch: self.branch };
        self.append(key, Some(value));
        value
    }

    pub fn delete(&mut self, key: ScopedName) {
        if self.get(key).is_some() {
            self.append(key, None);
        }
    }

    /// Goes back by some revisions, as after the restore of a snapshot.
    pub fn restore(&mut self, back: u64) {
        self.revision = self.revision.saturating_sub(back);
        self.branch += 1;
        self.log.retain(|event| event.revision <= self.revision);
        self.objects.clear();
        self.log.iter().for_each(|event| event.apply(&mut self.objects));
    }

    /// The first event of a scope after a revision. A revision from the future is accepted,
    /// and shows nothing until it is passed.
    pub fn next(&self, scope: u8, after: u64) -> Option<Event> {
        let first = self.log.partition_point(|event| event.revision <= after);
        self.log[first..].iter().find(|event| event.key.0 == scope).copied()
    }

    fn append(&mut self, key: ScopedName, value: Option<Value>) {
        self.revision += 1;
        let event = Event { revision: self.revision, key, value };
        event.apply(&mut self.objects);
        self.log.push(event);
    }
}

//! What goes wrong by chance, and the record of what went through.

use std::time::{Duration, Instant};

use testbed::{Chance, Chances, Proxy, Recorded};

use crate::{RunningProgram, creation, curl, exists, output, proxy, through};

fn always(from: u64, to: u64) -> Chance {
    Chance::new(1000, Duration::from_millis(from), Duration::from_millis(to))
}

fn create(proxy: &Proxy, name: &str) -> Result<String, String> {
    output(&mut through(proxy, &["create", "configmap", name]))
}

#[test]
fn an_answer_that_comes_late_is_that_of_a_request_that_was_carried_out() {
    let proxy = proxy();
    proxy.set_chances(Some(Chances { late_answers: always(300, 400), ..Chances::default() }));
    let begun = Instant::now();
    assert!(curl(&proxy, "/readyz").unwrap().ends_with("ok"));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_write_that_hangs_loses_its_connection_and_may_have_been_carried_out() {
    let proxy = proxy();
    proxy.set_chances(Some(Chances { hanging_writes: always(10, 20), ..Chances::default() }));
    let mut carried_out = 0;
    for number in 0..12 {
        let name = format!("hung-{number}");
        create(&proxy, &name).unwrap_err();
        carried_out += u32::from(exists(&name));
    }
    assert!((1..12).contains(&carried_out), "{carried_out}");
    assert!(curl(&proxy, "/readyz").unwrap().ends_with("ok"), "reads are spared");
}

#[test]
fn a_refusal_is_in_plain_text_and_says_when_to_come_back() {
    let proxy = proxy();
    proxy.set_chances(Some(Chances { refused: 1000, ..Chances::default() }));
    let answer = curl(&proxy, "/readyz").unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("text/plain"), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 1"), "{answer}");
    proxy.set_chances(Some(Chances { failed: 1000, ..Chances::default() }));
    assert!(curl(&proxy, "/readyz").unwrap().starts_with("HTTP/1.1 500 "));
    proxy.set_chances(None);
    assert!(curl(&proxy, "/readyz").unwrap().ends_with("ok"));
}

#[test]
fn events_come_late_in_their_order_and_are_on_record_when_they_were_delivered() {
    let proxy = proxy();
    proxy.keep_record();
    output(&mut through(&proxy, &["create", "namespace", "recorded"])).unwrap();
    let watch = RunningProgram::watch(&proxy, "recorded");
    watch.wait_for("kube-root-ca.crt");
    proxy.set_chances(Some(Chances { late_events: always(200, 600), ..Chances::default() }));
    for name in ["first", "second"] {
        output(&mut creation(&proxy, "recorded", name)).unwrap();
    }
    watch.wait_for(r#""name":"first""#);
    watch.wait_for(r#""name":"second""#);

    let record = proxy.take_record();
    let sent: Vec<_> = record
        .iter()
        .filter_map(|entry| match entry {
            Recorded::Sent(sent) if sent.path.contains("/configmaps") => Some(sent),
            _ => None,
        })
        .collect();
    let shown = |name: &str| {
        record.iter().find_map(|entry| match entry {
            Recorded::Shown(shown) if shown.metadata["name"] == name => Some(shown),
            _ => None,
        })
    };
    assert_eq!(sent.len(), 2, "{sent:?}");
    for write in sent {
        assert_eq!((write.method.as_str(), write.code), ("POST", Some(201)));
        let shown = shown(write.metadata["name"].as_str().unwrap()).unwrap();
        assert_eq!((shown.event.as_str(), shown.kind.as_str()), ("ADDED", "ConfigMap"));
        assert_eq!(shown.metadata["uid"], write.metadata["uid"]);
        assert!(shown.at - write.at >= Duration::from_millis(200));
    }
}

//! The commands with forms (method POST): each says the same as the store.

use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::harness::Space;
use crate::terminal::Terminal;

/// A form for one key, and at most ten bytes of one type.
fn inbox() -> Value {
    json!({
        "method": "POST", "key": "in/note.txt",
        "form": {"maxSize": 10, "minSize": 1, "contentType": "text/plain", "metadata": {"team": "red"}},
    })
}

/// A form below a prefix.
fn open() -> Value {
    json!({
        "method": "POST", "key": "in/",
        "form": {"maxSize": 10, "keyPrefix": true, "contentType": "image/"},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_shown_inspected_and_printed() {
    let space = Space::new("plugin-form").await;
    space.apply("inbox", space.spec(inbox())).await;
    space.apply("open", space.spec(open())).await;
    space.wait_ready("inbox", "True", "Issued").await;
    space.wait_ready("open", "True", "Issued").await;
    let (url, json) = (space.data("inbox", "url").await, space.data("inbox", "form.json").await);
    let expires_at = space.data("inbox", "expires-at").await;
    let terminal = Terminal::new(&space);
    block_in_place(|| {
        terminal.run("kubectl presign status inbox").shows(
            0,
            &[
                "object: POST in/note.txt of",
                "uploads: files from 1 to 10 bytes, of the type text/plain",
                "Secret: inbox holds the form",
                "lives: 3600 seconds (1h)",
            ],
        );
        terminal.run("kubectl presign status open").shows(0, &["under a name that the visitor chooses"]);
        terminal.run("kubectl presign inspect secret/inbox").shows(
            0,
            &[
                "signed form",
                "uploads: in/note.txt in",
                "size: from 1 to 10 bytes",
                "Content-Type: text/plain",
                "method: POST, as multipart/form-data",
                "x-amz-meta-team: red",
                "policy, credential and signature, which are not shown",
                "works: valid",
            ],
        );
        terminal
            .run("kubectl presign inspect secret/open")
            .shows(0, &["uploads: any key that begins with in/", "begins with image/"]);
        let read = "kubectl get secret inbox -o jsonpath='{.data.form\\.json}' | base64 -d";
        terminal
            .run(&format!("{read} | kubectl presign inspect - --at 2099-01-01T00:00:00Z"))
            .shows(1, &["uploads: in/note.txt in", "works: expired"]);
        terminal.run("kubectl presign inspect '{}'").shows(2, &["the form is not JSON with url and fields"]);
        let (text, _, code) = terminal.pipe("kubectl presign inspect secret/inbox -o json");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &value["maxSize"], &value["state"]), (0, &json!(10), &json!("valid")));

        let screen = terminal.run_openly("kubectl presign get-url inbox");
        screen.shows(0, &["warning: whoever sees this form can use it", &url]);
        let (text, warning, code) = terminal.pipe("kubectl presign get-url inbox");
        assert_eq!((text.trim_end(), warning.as_str(), code), (json.as_str(), "", 0));
        let (text, _, _) = terminal.pipe("kubectl presign get-url inbox -o json");
        let value: Value = serde_json::from_str(&text).unwrap();
        let whole: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&value["url"], &value["fields"]), (&whole["url"], &whole["fields"]));
        assert_eq!((&value["method"], &value["expiresAt"]), (&json!("POST"), &json!(expires_at)));
        assert_eq!(value.get("headers"), None);
        // What one command prints, another one reads.
        let both = "kubectl presign get-url inbox -o json | kubectl presign inspect -";
        terminal.run(both).shows(0, &["uploads: in/note.txt in"]);
    });
    // A form that another client broke is no URL either.
    let patch = json!({"spec": {"suspend": true}}).to_string();
    space.kubectl(&["patch", "psu", "inbox", "--type=merge", "-p", &patch]);
    space.wait_ready("inbox", "True", "Suspended").await;
    let patch = json!({"data": {"form.json": null}}).to_string();
    space.kubectl(&["patch", "secret", "inbox", "--type=merge", "-p", &patch]);
    block_in_place(|| {
        terminal
            .run("kubectl presign inspect secret/inbox")
            .shows(1, &["has the method POST and no data key form.json"]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_and_explain_agree_about_a_form() {
    let space = Space::new("plugin-form-agree").await;
    space.apply("inbox", space.spec(inbox())).await;
    space.apply("open", space.spec(open())).await;
    space.wait_ready("inbox", "True", "Issued").await;
    space.wait_ready("open", "True", "Issued").await;
    let mut forms = Vec::new();
    for name in ["inbox", "open"] {
        let json: Value = serde_json::from_str(&space.data(name, "form.json").await).unwrap();
        forms.push((name, json));
    }
    let terminal = Terminal::new(&space);
    let upload = |form: &Value, size: u64, fields: &[(&str, &str)]| {
        let file = terminal.folder().join("file");
        std::fs::write(&file, "x".repeat(usize::try_from(size).unwrap())).unwrap();
        let mut sent = form["fields"].as_object().unwrap().clone();
        sent.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let mut arguments = vec!["-o".to_owned(), "/dev/null".to_owned()];
        for (name, value) in &sent {
            arguments.extend(["--form-string".to_owned(), format!("{name}={}", value.as_str().unwrap())]);
        }
        arguments.extend(["-F".to_owned(), format!("file=@{}", file.display())]);
        arguments.push(form["url"].as_str().unwrap().to_owned());
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        crate::harness::curl(&arguments)
    };
    block_in_place(|| {
        // Whatever the store refuses, explain explains; what it accepts, explain accepts.
        let text = ("Content-Type", "image/png");
        for (number, size, fields, expected) in [
            (0, 10, &[][..], None),
            (0, 11, &[], Some("field: the file has 11 bytes, and the form permits 1 to 10")),
            (0, 0, &[], Some("field: the file has 0 bytes")),
            (0, 5, &[("key", "in/other.txt")], Some("field: key is \"in/other.txt\"")),
            (0, 5, &[("Content-Type", "text/html")], Some("field: Content-Type is \"text/html\"")),
            (0, 5, &[("acl", "public-read")], Some("field: the field acl is sent")),
            (1, 10, &[("key", "in/a.png"), text], None),
            (1, 5, &[("key", "out/a.png"), text], Some("a value that begins with \"in/\"")),
            (1, 5, &[("key", "in/a.html"), ("Content-Type", "text/html")], Some("begins with \"image/\"")),
        ] {
            let (name, form) = &forms[number];
            let answer = upload(form, size, fields);
            assert_eq!(answer.is_ok(), expected.is_none(), "{name} {fields:?}: {answer:?}");
            let flags: String = fields.iter().map(|(name, value)| format!(" -F '{name}={value}'")).collect();
            let line = format!("kubectl presign explain secret/{name} --size {size}{flags}");
            let shown = expected.unwrap_or("the same signature");
            terminal.run(&line).shows(i32::from(expected.is_some()), &[shown]);
        }
        terminal
            .run("kubectl presign explain secret/inbox -X PUT")
            .shows(1, &["method: PUT is sent, and a form works only with POST"]);
        terminal
            .run("AWS_SECRET_ACCESS_KEY=another kubectl presign explain secret/inbox")
            .shows(1, &["access-key: ", "the secret access key differs"]);
        terminal
            .run("kubectl presign explain secret/inbox --at 2099-01-01T00:00:00Z")
            .shows(1, &["clock: the form expired"]);
        terminal.run("kubectl presign explain secret/inbox --signed-host a").shows(2, &["are only for URLs"]);
        terminal
            .run("kubectl presign explain 'https://h/b?x' --size 1")
            .shows(2, &["the URL has no parameter"]);
    });
}

//! The results as Markdown.

use std::fmt::Write as _;

use super::output::About;
use super::result::{Beside, Fleet, Judging, Neighbours, OfSessions, Rotated, Signed, Writing, rate};

/// One line of the table: what it is, what was wanted, and how to say it of a fleet.
type TableLine = (&'static str, &'static str, fn(&Fleet) -> String);

const LINES: [TableLine; 19] = [
    ("ceiling (a plain client), objects/s: first write · rewrite, with the calls in flight", "", |fleet| {
        let [first, again] = [&fleet.issuance, &fleet.rotation.writing].map(Writing::ceiling);
        format!("{:.0} ({}) · {:.0} ({})", first.rate(), first.width, again.rate(), again.width)
    }),
    ("issuance, alternating with the ceiling, objects/s", "", |fleet| {
        format!("{:.0}", fleet.issuance.rate())
    }),
    ("… divided by the ceiling", "0.9 (0.95)", |fleet| format!("{:.2}", fleet.issuance.over_ceiling())),
    ("… processor time of all processes per object, ms: plain client · operator", "", |fleet| {
        let (plain, operator) = (fleet.issuance.ceiling(), &fleet.issuance.turns[0]);
        format!("{:.1} · {:.1}", plain.processor_each(), operator.processor_each())
    }),
    ("… processor time of the operator per object, µs", "", |fleet| {
        format!("{:.0}", fleet.issuance.cpu_seconds / fleet.issuance.objects as f64 * 1e6)
    }),
    ("rotation of a shared access key, divided by the ceiling", "0.8 (0.95)", |fleet| {
        format!("{:.2}", fleet.rotation.writing.over_ceiling())
    }),
    ("… reads of Secrets; URLs written in order of expiry", "1; all", |fleet| {
        let reads = fleet.rotation.writing.calls.of("GET secrets");
        format!("{reads}; {:.1} %", 100.0 * fleet.rotation.in_order)
    }),
    ("memory of the empty process, MiB", "20 (12)", |fleet| format!("{:.1}", mib(fleet.empty_kib))),
    ("memory beyond that, MiB: after the issuance · after a restart", "", |fleet| {
        let over = |kib: u64| mib(kib.saturating_sub(fleet.empty_kib));
        format!("{:.1} · {:.1}", over(fleet.issued_kib), over(fleet.started_kib))
    }),
    ("… per object, KiB", "2.5 (1)", |fleet| {
        let [issued, started] = fleet.bytes_each().map(|bytes| bytes / 1024.0);
        format!("{issued:.2} · {started:.2}")
    }),
    ("restart: seconds until ready · divided by the time of a plain client's lists", "2 (1.2)", |fleet| {
        let start = &fleet.start;
        format!("{:.2} · {:.2}", start.ready_seconds, start.ready_seconds / start.lists_seconds)
    }),
    ("… until every object is compared: writes · reads · processor seconds", "0 · 0", |fleet| {
        let calls = &fleet.start.calls;
        let cpu = fleet.start.cpu_seconds;
        format!("{} · {} · {cpu:.1}", calls.by_api_server.writes(), calls.by_operator.reads())
    }),
    ("idle: calls other than watches · share of a core", "0 · 1 %", |fleet| {
        let idle = &fleet.idle;
        let calls = idle.calls.by_operator.writes() + idle.calls.by_operator.reads();
        format!("{calls} · {:.2} %", 100.0 * idle.cpu_seconds / idle.seconds)
    }),
    ("… calls of any client, counted by the API server; minutes", "", |fleet| {
        let idle = &fleet.idle;
        let calls = idle.calls.by_api_server.writes() + idle.calls.by_api_server.reads();
        format!("{calls}; {:.1}", idle.seconds / 60.0)
    }),
    ("a first issue: writes · reads", "2 · 0", |fleet| {
        let (calls, objects) = (&fleet.issuance.calls, fleet.objects as f64);
        format!("{:.2} · {:.2}", calls.writes_of_urls() as f64 / objects, calls.reads() as f64 / objects)
    }),
    ("a renewal: writes · reads", "2 · 0", |fleet| {
        let (calls, objects) = (&fleet.renewal.calls, fleet.renewal.objects as f64);
        let each = |count: u64| count as f64 / objects;
        format!("{:.2} · {:.2}", each(calls.by_api_server.writes()), each(calls.by_operator.reads()))
    }),
    ("apply → URL in the Secret, p50 · p99, ms", "50 · 150 (15 · 50)", |fleet| {
        format!("{:.1} · {:.1}", fleet.latency.p50, fleet.latency.p99)
    }),
    ("renewals spread over this share of the lifetime", "9 %", |fleet| {
        format!("{:.1} %", 100.0 * fleet.renewals_spread)
    }),
    ("a write of another client, p50 · p99, ms: alone → during the issuance", "", |fleet| {
        let (idle, busy) = (fleet.others_idle, fleet.others_busy);
        format!("{:.1} · {:.1} → {:.1} · {:.1}", idle.p50, idle.p99, busy.p50, busy.p99)
    }),
];

/// The table, with all that a reader needs to judge it.
pub(crate) fn render(fleets: &[Fleet], about: &About) -> String {
    let mut text = format!("{} The stripped binary has {:.1} MiB.\n\n", about.text(), about.binary_mib);
    text += "| figure | required (target) |";
    for fleet in fleets {
        let _ = write!(text, " {} objects |", thousands(fleet.objects));
    }
    let _ = write!(text, "\n|---|---|{}\n", "---:|".repeat(fleets.len()));
    for (what, wanted, say) in LINES {
        let _ = write!(text, "| {what} | {wanted} |");
        for fleet in fleets {
            let _ = write!(text, " {} |", say(fleet));
        }
        text.push('\n');
    }
    text
}

/// The table of the renewals beside other namespaces.
pub(crate) fn render_neighbours(neighbours: &Neighbours, about: &About) -> String {
    let Neighbours { creations, hot } = neighbours;
    let mut text = format!("{}\n\n| figure | required |", about.text());
    let _ = write!(text, " while another namespace creates {} objects |", thousands(creations.objects));
    let _ = writeln!(text, " while another namespace has {} hot objects |", thousands(hot.objects));
    text += "|---|---|---:|---:|\n";
    let mut line = |what: &str, must: &str, say: fn(&Beside) -> String| {
        let _ = writeln!(text, "| {what} | {must} | {} | {} |", say(creations), say(hot));
    };
    line("renewals of 2m URLs · minutes", "", |beside| {
        format!("{} · {:.1}", beside.renewed.late_by.samples, beside.seconds / 60.0)
    });
    line("… without a known renewal time", "0", |beside| beside.renewed.unknown.to_string());
    line("signed after the renewal time, p50 · p99 · max, s", "p99 < 5", |beside| {
        let late_by = beside.renewed.late_by;
        format!("{:.0} · {:.0} · {:.0}", late_by.p50, late_by.p99, late_by.max)
    });
    line("URLs stored past their expiry", "0", |beside| beside.renewed.past_expiry.to_string());
    line("URLs written for the other namespace", "", |beside| beside.others.to_string());
    text
}

/// The table of the objects of a signer.
pub(crate) fn render_signers(signed: &Signed, about: &About) -> String {
    let Signed { objects, denied, own, signer, same, denying } = signed;
    let count = thousands(*objects);
    let mut text = format!("{}\n\n| figure | required |", about.text());
    let _ = writeln!(text, " {count} with credentials of their own | {count} of one ClusterSigner |");
    text += "|---|---|---:|---:|\n";
    let mut line = |what: &str, must: &str, own: &str, signer: &str| {
        let _ = writeln!(text, "| {what} | {must} | {own} | {signer} |");
    };
    let say_rate = |rate: f64| format!("{rate:.0}");
    line(
        "rotation of the access key, alternating, objects/s",
        "",
        &say_rate(own.rate()),
        &say_rate(signer.rate()),
    );
    let over = format!("{:.2}", signer.rate() / own.rate());
    line("… divided by that of credentials of their own", "", "", &over);
    let each = [own, signer].map(|side| side.bytes_each(*objects) / 1024.0);
    let [own_each, signer_each] = each.map(|kib| format!("{kib:.2}"));
    line("memory after a restart, beyond the empty process, per object, KiB", "", &own_each, &signer_each);
    let more = format!("{:+.1} %", 100.0 * (each[1] / each[0] - 1.0));
    line("… compared with credentials of their own", "5 %", "", &more);
    let took = |judging: &Judging| format!("{:.1} · {:.1}", judging.seconds, judging.cpu_seconds);
    let cost = |judging: &Judging| {
        let Judging { calls, .. } = judging;
        format!("{} · {}", calls.by_api_server.writes_of_urls(), calls.by_operator.reads())
    };
    let until = "seconds until all are judged · processor seconds";
    line(&format!("a policy change that changes no verdict: {until}"), "", "", &took(same));
    line("… writes · reads", "0 · 0", "", &cost(same));
    line(&format!("a policy change that denies {denied}: {until}"), "", "", &took(denying));
    line("… writes · reads", &format!("{denied} · 0"), "", &cost(denying));
    text
}

/// The table of the objects that are signed with sessions.
pub(crate) fn render_sessions(sessions: &OfSessions, about: &About) -> String {
    let OfSessions { objects, key, session, calls } = sessions;
    let count = thousands(*objects);
    let mut text = format!("{}\n\n| figure | required |", about.text());
    let _ = writeln!(text, " {count} signed with an access key | {count} signed with sessions |");
    text += "|---|---|---:|---:|\n";
    let (of_key, of_session) = (rate(key), rate(session));
    let _ = writeln!(text, "| all signed anew, alternating, objects/s | | {of_key:.0} | {of_session:.0} |");
    let over = of_session / of_key;
    let _ = writeln!(text, "| … divided by that of an access key | ≥ 0.9 | | {over:.2} |");
    let cpu = |rounds: &[Rotated]| {
        let signed: u64 = rounds.iter().map(|round| round.objects).sum();
        1e6 * rounds.iter().map(|round| round.cpu_seconds).sum::<f64>() / signed as f64
    };
    let _ = writeln!(
        text,
        "| processor time of the operator, per object, µs | | {:.0} | {:.0} |",
        cpu(key),
        cpu(session)
    );
    let each = 1000.0 * *calls as f64 / (objects * session.len()) as f64;
    let _ = writeln!(text, "| calls of the STS for 1 000 URLs | | | {each:.1} |");
    text
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// `10 000`.
pub(crate) fn thousands(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{} {:03}", number / 1000, number % 1000) }
}

//! Reads Rust without understanding it: the paths in the code, not in comments or strings.

/// A path in the source, such as `crate::crd::Method`, and how deep in the crate it stands.
#[derive(Debug, Eq, PartialEq)]
pub struct Reference {
    pub names: Vec<String>,
    pub depth: usize,
}

/// Every path and every single word in the code of the file `name`.
pub fn paths(name: &str, text: &str) -> Vec<Reference> {
    let folders = name.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    let file_depth = if matches!(name, "main.rs" | "lib.rs") { 0 } else { folders };
    let tokens = tokens(text);
    let (mut found, mut at, mut braces, mut modules) = (Vec::new(), 0, 0_usize, Vec::new());
    while at < tokens.len() {
        let is_module = |word: &str| word == "mod" && tokens.get(at + 2).is_some_and(|brace| brace == "{");
        match tokens[at].as_str() {
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                modules.retain(|opened| *opened <= braces);
            }
            word if is_module(word) => modules.push(braces + 1),
            word if is_word(word) => {
                let mut names = Vec::new();
                at = tree(&tokens, at, &[], &mut names);
                let depth = file_depth + modules.len();
                found.extend(names.into_iter().map(|names| Reference { names, depth }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads a path, or a tree of paths as `use` has them, and returns where it ends.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut names = prefix.to_vec();
    while is_word(token(at)) || token(at) == "*" {
        names.push(token(at).to_owned());
        at += 1;
        if token(at) != "::" || token(at + 1) == "<" {
            break;
        }
        at += 1;
    }
    if token(at) != "{" || token(at - 1) != "::" {
        found.push(names);
        return at;
    }
    while !matches!(token(at), "}" | "") {
        at += 1;
        if is_word(token(at)) || matches!(token(at), "*" | "{") {
            at = tree(tokens, at, &names, found);
        }
        while !matches!(token(at), "," | "}" | "") {
            at += 1;
        }
    }
    at + 1
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The code without comments and literals: words, `::`, and other characters one by one.
fn tokens(text: &str) -> Vec<String> {
    let (mut rest, mut tokens) = (text, Vec::new());
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (length, token) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (block_comment(rest), None)
        } else if let Some(length) = literal(rest) {
            (length, None)
        } else if rest.starts_with("::") {
            (2, Some("::"))
        } else if rest.starts_with("r#") {
            (2, None)
        } else if word > 0 {
            (word, Some(&rest[..word]))
        } else {
            (first.len_utf8(), Some(&rest[..first.len_utf8()]))
        };
        tokens.extend(token.filter(|token| !token.trim().is_empty()).map(str::to_owned));
        rest = &rest[length..];
    }
    tokens
}

/// Length of the comment that begins the text; comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, _) in text.char_indices() {
        if text[at..].starts_with("/*") {
            depth += 1;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    text.len()
}

/// Length of the string or character that begins the text, if one does.
fn literal(text: &str) -> Option<usize> {
    let marks = text.find(|c: char| !matches!(c, 'b' | 'c' | 'r')).filter(|marks| *marks <= 2)?;
    let body = &text[marks..];
    let hashes = body.find(|c: char| c != '#')?;
    if text[..marks].contains('r') && body[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = marks + hashes + 1;
        return text[start..].find(&end).map(|length| start + length + end.len());
    }
    let quote = body.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let mut characters = body.char_indices().skip(1);
    let second = body[1..].chars().next()?;
    // A lifetime: no quote after the first character of its name.
    if quote == '\'' && second != '\\' && !body[1 + second.len_utf8()..].starts_with('\'') {
        return None;
    }
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return Some(marks + at + 1);
        }
    }
    None
}

//! Lists in pages, so that neither the API server nor this process holds all objects at once.

use kube::api::{ListParams, ObjectList};

/// How many objects one page has.
const PAGE: u32 = 500;

/// Lists everything, page by page. `list` asks for one page, and `each` gets its objects.
///
/// # Errors
/// The first failure of `list`.
pub(super) async fn pages<K: Clone>(
    params: ListParams,
    list: impl AsyncFn(ListParams) -> kube::Result<ObjectList<K>>,
    mut each: impl FnMut(Vec<K>),
) -> kube::Result<()> {
    let mut params = params.limit(PAGE);
    loop {
        let page = list(params.clone()).await?;
        each(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use kube::core::{ListMeta, TypeMeta};

    use super::*;

    fn page(items: &[u8], next: Option<&str>) -> ObjectList<u8> {
        let metadata = ListMeta { continue_: next.map(str::to_owned), ..ListMeta::default() };
        ObjectList { types: TypeMeta::default(), metadata, items: items.to_vec() }
    }

    #[tokio::test]
    async fn asks_with_each_token_until_there_is_none() {
        for last in [None, Some("")] {
            let (asked, mut found) = (RefCell::new(Vec::new()), Vec::new());
            let list = async |params: ListParams| {
                asked.borrow_mut().push((params.continue_token.clone(), params.label_selector.clone()));
                Ok(match params.continue_token.as_deref() {
                    None => page(&[1, 2], Some("a")),
                    Some("a") => page(&[], Some("b")),
                    _ => page(&[3], last),
                })
            };
            pages(ListParams::default().labels("a=b"), list, |items| found.extend(items)).await.unwrap();
            assert_eq!(found, [1, 2, 3]);
            let tokens: Vec<_> = asked.borrow().iter().map(|(token, _)| token.clone()).collect();
            assert_eq!(tokens, [None, Some("a".to_owned()), Some("b".to_owned())]);
            assert!(asked.borrow().iter().all(|(_, labels)| labels.as_deref() == Some("a=b")));
        }
    }

    #[tokio::test]
    async fn ends_at_the_first_failure() {
        let list = async |params: ListParams| match params.continue_token {
            None => Ok(page(&[1], Some("a"))),
            Some(_) => Err(kube::Error::LinesCodecMaxLineLengthExceeded),
        };
        let mut found = Vec::new();
        assert!(pages(ListParams::default(), list, |items| found.extend(items)).await.is_err());
        assert_eq!(found, [1]);
    }
}

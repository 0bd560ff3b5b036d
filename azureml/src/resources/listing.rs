//! The answer of a blob store's listing: XML of a fixed shape ("List Blobs", Blob service REST API).

use super::blobs::Blob;

/// The blobs of a page, and the marker of the next (empty on the last).
pub(crate) fn read(xml: &str) -> (Vec<Blob>, String) {
    let blobs = between_all(xml, "<Blob>", "</Blob>")
        .filter_map(|blob| {
            Some(Blob {
                name: unescape(between(blob, "<Name>", "</Name>")?),
                size: between(blob, "<Content-Length>", "</Content-Length>")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or_default(),
                etag: between(blob, "<Etag>", "</Etag>").map(unescape).unwrap_or_default(),
            })
        })
        .collect();
    (blobs, between(xml, "<NextMarker>", "</NextMarker>").map(unescape).unwrap_or_default())
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

fn between_all<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split_once(end).map(|(inner, _)| inner))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_with_its_marker() {
        let xml = "<?xml version=\"1.0\"?><EnumerationResults><Blobs>\
            <Blob><Name>a/b &amp; c.csv</Name><Properties><Etag>0x1</Etag><Content-Length>12</Content-Length></Properties></Blob>\
            <Blob><Name>d</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>\
            </Blobs><NextMarker>m2</NextMarker></EnumerationResults>";
        let (blobs, next) = read(xml);
        assert_eq!(
            blobs,
            [
                Blob { name: "a/b & c.csv".into(), size: 12, etag: "0x1".into() },
                Blob { name: "d".into(), size: 0, etag: String::new() },
            ]
        );
        assert_eq!(next, "m2");
        assert_eq!(read("<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"), (vec![], String::new()));
    }
}

//! The character encodings MLTable's `read_delimited` knows.

use super::read::{Encoding, TableError};
use std::borrow::Cow;

/// Windows-1252 from 0x80 to 0x9f; the rest of it is Latin 1. Unassigned positions keep their C1 control character.
const WINDOWS_1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}',
    '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}',
    '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}',
    '\u{17e}', '\u{178}',
];

/// The bytes as text. A byte order mark is dropped; for UTF-16 it also says the byte order (little-endian without one).
pub(crate) fn decode<'a>(file: &str, bytes: &'a [u8], encoding: Encoding) -> Result<Cow<'a, str>, TableError> {
    let wrong = |offset: usize| TableError::Encoding { file: file.to_owned(), encoding, offset };
    match encoding {
        Encoding::Utf8 => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|e| wrong(e.valid_up_to()))
        }
        Encoding::Ascii => match bytes.iter().position(|b| !b.is_ascii()) {
            Some(offset) => Err(wrong(offset)),
            None => Ok(String::from_utf8_lossy(bytes)),
        },
        Encoding::Latin1 => Ok(Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect())),
        Encoding::Windows1252 => Ok(Cow::Owned(bytes.iter().map(|&b| windows_1252(b)).collect())),
        Encoding::Utf16 => utf16(bytes).map(Cow::Owned).map_err(wrong),
        Encoding::Utf32 => utf32(bytes).map(Cow::Owned).map_err(wrong),
    }
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn utf16(bytes: &[u8]) -> Result<String, usize> {
    let (bytes, big) = match bytes {
        [0xfe, 0xff, rest @ ..] => (rest, true),
        [0xff, 0xfe, rest @ ..] => (rest, false),
        _ => (bytes, false),
    };
    if bytes.len() % 2 != 0 {
        return Err(bytes.len());
    }
    let units = bytes.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    });
    let mut text = String::with_capacity(bytes.len() / 2);
    for unit in char::decode_utf16(units) {
        text.push(unit.map_err(|_| text.len())?);
    }
    Ok(text)
}

fn utf32(bytes: &[u8]) -> Result<String, usize> {
    let (bytes, big) = match bytes {
        [0, 0, 0xfe, 0xff, rest @ ..] => (rest, true),
        [0xff, 0xfe, 0, 0, rest @ ..] => (rest, false),
        _ => (bytes, false),
    };
    if bytes.len() % 4 != 0 {
        return Err(bytes.len());
    }
    bytes
        .chunks_exact(4)
        .enumerate()
        .map(|(i, four)| {
            let four = [four[0], four[1], four[2], four[3]];
            let unit = if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) };
            char::from_u32(unit).ok_or(i * 4)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_reads_its_own_accents() {
        let utf16le: Vec<u8> = "é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16be: Vec<u8> = [0xfe, 0xff].into_iter().chain("é".encode_utf16().flat_map(u16::to_be_bytes)).collect();
        let cases: [(&[u8], Encoding); 6] = [
            ("é".as_bytes(), Encoding::Utf8),
            (b"\xef\xbb\xbf\xc3\xa9", Encoding::Utf8),
            (b"\xe9", Encoding::Latin1),
            (b"\xe9", Encoding::Windows1252),
            (&utf16le, Encoding::Utf16),
            (&utf16be, Encoding::Utf16),
        ];
        for (bytes, encoding) in cases {
            assert_eq!(decode("f", bytes, encoding).unwrap(), "é", "{encoding:?} {bytes:?}");
        }
        assert_eq!(decode("f", b"\x80", Encoding::Windows1252).unwrap(), "€");
        assert_eq!(decode("f", &0xe9_u32.to_le_bytes(), Encoding::Utf32).unwrap(), "é");
    }

    #[test]
    fn bytes_that_are_not_the_encoding_are_refused_with_their_place() {
        let error = decode("a.csv", b"ab\xff", Encoding::Utf8).unwrap_err();
        assert!(error.to_string().contains("byte 2"), "{error}");
        assert!(decode("a.csv", b"ab\xff", Encoding::Ascii).is_err());
        assert!(decode("a.csv", b"abc", Encoding::Utf16).is_err());
        assert!(decode("a.csv", b"abc", Encoding::Utf32).is_err());
    }
}

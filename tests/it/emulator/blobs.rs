//! The storage account: signatures, ranges, lists, blocks.

use reqwest::Method;
use serde_json::json;

use super::desk::Desk;

struct Storage {
    desk: Desk,
    container: String,
    sas: String,
}

impl Storage {
    async fn open() -> Self {
        let desk = Desk::open().await;
        let wish = json!({"pendingUploadType": "TemporaryBlobReference"});
        let pending = desk
            .arm(
                Method::POST,
                "/codes/c/versions/1/startPendingUpload",
                Some(wish),
            )
            .await
            .body;
        let signed = pending["blobReferenceForConsumption"]["credential"]["sasUri"]
            .as_str()
            .unwrap();
        let (container, sas) = signed.split_once('?').unwrap();
        let (container, sas) = (container.to_owned(), sas.to_owned());
        Self {
            desk,
            container,
            sas,
        }
    }

    fn at(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mark = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}/{path}{mark}{}", self.container, self.sas);
        self.desk.http.request(method, url)
    }

    async fn put(&self, path: &str, text: &str) -> u16 {
        let request = self
            .at(Method::PUT, path)
            .header("x-ms-blob-type", "BlockBlob");
        request
            .body(text.to_owned())
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }
}

async fn code_of(response: reqwest::Response) -> (u16, String) {
    let code = response.headers().get("x-ms-error-code");
    let code = code
        .map(|code| code.to_str().unwrap().to_owned())
        .unwrap_or_default();
    (response.status().as_u16(), code)
}

#[tokio::test]
async fn a_request_without_a_right_signature_is_refused() {
    let storage = Storage::open().await;
    assert_eq!(storage.put("a", "1").await, 201);
    let bare = storage
        .desk
        .http
        .get(format!("{}/a", storage.container))
        .send()
        .await
        .unwrap();
    assert_eq!(
        code_of(bare).await,
        (403, "AuthenticationFailed".to_owned())
    );
    let (rest, signature) = storage.sas.rsplit_once("sig=").unwrap();
    let forged = format!(
        "{}/a?{rest}sig={}",
        storage.container,
        signature.chars().rev().collect::<String>()
    );
    assert_eq!(
        code_of(storage.desk.http.get(forged).send().await.unwrap())
            .await
            .0,
        403
    );
    let wider = format!(
        "{}/a?{}",
        storage.container,
        storage.sas.replace("sp=rcwl", "sp=rcwdl")
    );
    assert_eq!(
        code_of(storage.desk.http.delete(wider).send().await.unwrap())
            .await
            .0,
        403,
        "the permissions are signed"
    );
    let delete = storage.at(Method::DELETE, "a").send().await.unwrap();
    assert_eq!(
        code_of(delete).await,
        (403, "AuthorizationPermissionMismatch".to_owned())
    );
    let url = format!("{}/a", storage.container);
    let wrong = storage
        .desk
        .http
        .get(&url)
        .bearer_auth(storage.desk.token())
        .send()
        .await
        .unwrap();
    assert_eq!(code_of(wrong).await.0, 401);
    let right = storage
        .desk
        .emulator
        .access_token("https://storage.azure.com");
    assert_eq!(
        storage
            .desk
            .http
            .get(&url)
            .bearer_auth(right)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn ranges_are_answered_206_and_behind_the_end_416() {
    let storage = Storage::open().await;
    storage.put("dir/data", "0123456789").await;
    storage.put("empty", "").await;
    for header in ["range", "x-ms-range"] {
        let part = storage
            .at(Method::GET, "dir%2Fdata")
            .header(header, "bytes=3-5")
            .send()
            .await
            .unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(part.headers()["content-range"], "bytes 3-5/10");
        assert_eq!(part.text().await.unwrap(), "345");
        let behind = storage
            .at(Method::GET, "dir/data")
            .header(header, "bytes=10-")
            .send()
            .await
            .unwrap();
        assert_eq!(code_of(behind).await, (416, "InvalidRange".to_owned()));
    }
    let empty = storage
        .at(Method::GET, "empty")
        .header("x-ms-range", "bytes=0-99")
        .send()
        .await
        .unwrap();
    assert_eq!(empty.status(), 416);
    assert_eq!(
        storage
            .at(Method::GET, "empty")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn a_blob_is_written_once_when_asked_so_and_keeps_its_metadata() {
    let storage = Storage::open().await;
    let absent = storage.at(Method::HEAD, "b").send().await.unwrap();
    assert_eq!(code_of(absent).await, (404, "BlobNotFound".to_owned()));
    let once = || {
        storage
            .at(Method::PUT, "b")
            .header("x-ms-blob-type", "BlockBlob")
            .header("if-none-match", "*")
            .body("one")
    };
    assert_eq!(once().send().await.unwrap().status(), 201);
    assert_eq!(
        code_of(once().send().await.unwrap()).await,
        (409, "BlobAlreadyExists".to_owned())
    );
    let set = storage
        .at(Method::PUT, "b?comp=metadata")
        .header("x-ms-meta-upload_status", "completed")
        .send()
        .await
        .unwrap();
    assert_eq!(set.status(), 200);
    let head = storage.at(Method::HEAD, "b").send().await.unwrap();
    assert_eq!(head.headers()["x-ms-meta-upload_status"], "completed");
    assert_eq!(head.headers()["content-length"], "3");
    assert_eq!(head.headers()["x-ms-blob-type"], "BlockBlob");
    assert_eq!(head.headers()["etag"], set.headers()["etag"]);
}

#[tokio::test]
async fn blocks_become_a_blob_in_the_order_of_their_list() {
    let storage = Storage::open().await;
    let large = "x".repeat(2 << 20);
    for (id, text) in [("Mg==", large.as_str()), ("MQ==", "head")] {
        let path = format!("big?comp=block&blockid={}", id.replace('=', "%3D"));
        let staged = storage
            .at(Method::PUT, &path)
            .body(text.to_owned())
            .send()
            .await
            .unwrap();
        assert_eq!(staged.status(), 201);
    }
    assert_eq!(
        storage
            .at(Method::GET, "big")
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    let list = "<?xml version=\"1.0\"?><BlockList><Uncommitted>MQ==</Uncommitted><Latest>Mg==</Latest></BlockList>";
    let put = storage
        .at(Method::PUT, "big?comp=blocklist")
        .body(list)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 201);
    let text = storage
        .at(Method::GET, "big")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(text.len(), large.len() + 4);
    assert!(text.starts_with("headxx"));
    let unknown = list.replace("MQ==", "OQ==");
    let refused = storage
        .at(Method::PUT, "big?comp=blocklist")
        .body(unknown)
        .send()
        .await
        .unwrap();
    assert_eq!(code_of(refused).await, (400, "InvalidBlockList".to_owned()));
}

#[tokio::test]
async fn lists_have_prefixes_folders_pages_and_metadata() {
    let storage = Storage::open().await;
    for name in ["a/1", "a/2", "a/sub/3", "b & c"] {
        storage.put(name, name).await;
    }
    storage
        .at(Method::PUT, "a/1?comp=metadata")
        .header("x-ms-meta-k", "v<")
        .send()
        .await
        .unwrap();
    let list = |query: &str| {
        let url = format!(
            "{}?restype=container&comp=list&{query}&{}",
            storage.container, storage.sas
        );
        storage.desk.http.get(url).send()
    };
    let names = |xml: &str| -> Vec<String> {
        xml.split("<Name>")
            .skip(1)
            .map(|part| part.split("</Name>").next().unwrap().to_owned())
            .collect()
    };
    let all = list("include=metadata")
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(names(&all), ["a/1", "a/2", "a/sub/3", "b &amp; c"]);
    assert!(all.contains("<Metadata><k>v&lt;</k></Metadata>") && all.contains("<NextMarker />"));
    let folder = list("prefix=a/&delimiter=/")
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(names(&folder), ["a/1", "a/2", "a/sub/"]);
    assert!(folder.contains("<BlobPrefix><Name>a/sub/</Name></BlobPrefix>"));
    let page = list("maxresults=3").await.unwrap().text().await.unwrap();
    let marker = page
        .split("<NextMarker>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    assert_eq!(marker, "b &amp; c");
    let rest = list("marker=b%20%26%20c")
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(names(&rest), ["b &amp; c"]);
}

#[tokio::test]
async fn append_blobs_grow_and_can_be_read_from_where_one_was() {
    let storage = Storage::open().await;
    let made = storage
        .at(Method::PUT, "log")
        .header("x-ms-blob-type", "AppendBlob")
        .body("")
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    for (offset, line) in [("0", "one\n"), ("4", "two\n")] {
        let answer = storage
            .at(Method::PUT, "log?comp=appendblock")
            .body(line)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["x-ms-blob-append-offset"], offset);
    }
    let tail = storage
        .at(Method::GET, "log")
        .header("range", "bytes=4-")
        .send()
        .await
        .unwrap();
    assert_eq!(tail.text().await.unwrap(), "two\n");
    let refused = storage
        .at(Method::PUT, "block?comp=appendblock")
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 404);
}

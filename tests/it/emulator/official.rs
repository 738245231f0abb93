//! Microsoft's own storage client against the emulator's storage: what it does with the answers is a judgement from outside.

use std::sync::Arc;

use azure_core::Bytes;
use azure_core::http::{ClientOptions, StatusCode, Transport, Url};
use azure_storage_blob::clients::{BlobContainerClient, BlobContainerClientOptions};
use azure_storage_blob::models::{
    BlobClientUploadOptions, BlobContainerClientListBlobsOptions, ListBlobsIncludeItem,
};
use futures::TryStreamExt as _;
use reqwest::Method;
use serde_json::json;

use super::desk::Desk;

async fn container(desk: &Desk) -> BlobContainerClient {
    let start = "/codes/c/versions/1/startPendingUpload";
    let wish = json!({"pendingUploadType": "TemporaryBlobReference"});
    let pending = desk.arm(Method::POST, start, Some(wish)).await.body;
    let signed = &pending["blobReferenceForConsumption"]["credential"]["sasUri"];
    let url = Url::parse(signed.as_str().unwrap()).unwrap();
    let options = BlobContainerClientOptions {
        client_options: ClientOptions {
            transport: Some(Transport::new(Arc::new(desk.http.clone()))),
            ..ClientOptions::default()
        },
        ..BlobContainerClientOptions::default()
    };
    BlobContainerClient::new(url, None, Some(options)).unwrap()
}

#[tokio::test]
async fn the_official_client_uploads_in_blocks_and_downloads_in_ranges() {
    let desk = Desk::open().await;
    let container = container(&desk).await;
    let blob = container.blob_client("dir/a file.bin");
    assert!(!blob.exists().await.unwrap());
    let content: Vec<u8> = (0..9_500_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    let options = BlobClientUploadOptions {
        metadata: Some([("kind".to_owned(), "test".to_owned())].into()),
        ..BlobClientUploadOptions::default()
    };
    blob.upload(Bytes::from(content.clone()).into(), Some(options))
        .await
        .unwrap();
    assert!(blob.exists().await.unwrap());
    let blocks = desk
        .emulator
        .requests()
        .into_iter()
        .filter(|one| one.query("comp") == Some("block"));
    assert_eq!(blocks.count(), 3);
    let downloaded = blob.download(None).await.unwrap();
    assert_eq!(downloaded.body.collect().await.unwrap(), content);

    let once = BlobClientUploadOptions::default().if_not_exists();
    let refused = blob
        .upload(Bytes::from_static(b"x").into(), Some(once))
        .await
        .unwrap_err();
    assert_eq!(refused.http_status(), Some(StatusCode::Conflict));
}

#[tokio::test]
async fn the_official_client_reads_the_list() {
    let desk = Desk::open().await;
    let container = container(&desk).await;
    for name in ["a", "b/c", "empty & odd"] {
        container
            .blob_client(name)
            .upload(Bytes::from(name).into(), None)
            .await
            .unwrap();
    }
    let options = BlobContainerClientListBlobsOptions {
        maxresults: Some(2),
        include: Some(vec![ListBlobsIncludeItem::Metadata]),
        ..BlobContainerClientListBlobsOptions::default()
    };
    let listed: Vec<_> = container
        .list_blobs(Some(options))
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let names: Vec<_> = listed.iter().filter_map(|blob| blob.name.clone()).collect();
    assert_eq!(names, ["a", "b/c", "empty & odd"]);
    let length = |at: usize| {
        listed[at]
            .properties
            .as_ref()
            .and_then(|properties| properties.content_length)
    };
    assert_eq!(length(1), Some(3));
}

//! Uploads to a datastore: what is already there, what opens it, and what an interruption leaves.

use aml_runner::azure::Notice;
use aml_runner::azure::apply::ApplyError;
use aml_runner::spec::Plan;
use aml_runner::spec::plan::{Destination, Reference, Target, Version};
use serde_json::json;

use super::world::{BOX, Scene, data, request, slot};
use crate::azure::support::{header, ok, status};

const COMPLETE: [(&str, &str); 3] = [
    ("upload_status", "completed"),
    ("name", "taxi"),
    ("version", "1"),
];

/// A folder of three files behind a data asset of a stated version.
fn folder(scene: &Scene) -> Plan {
    let files: [(&str, &[u8]); 3] = [("b.txt", b"bb"), ("a/x y.txt", b"a"), ("c.txt", b"")];
    let store = Destination::Datastore {
        name: "store".into(),
    };
    let upload = scene.folder("stuff", "aa", store, &files);
    data(Version::Fixed("1".into()), upload)
}

async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.echo("data/taxi/versions/1").await;
    scene
}

#[tokio::test]
async fn the_mark_goes_up_last_with_the_first_file() {
    let scene = scene().await;
    let applied = scene.run(folder(&scene)).send(None).await.unwrap();
    let sent = scene.sent().await;
    let puts: Vec<_> = sent.iter().filter(|one| one.starts_with("PUT ")).collect();
    assert_eq!(puts[2], "PUT box/LocalUpload/aa/stuff/a/x%20y.txt");
    assert_eq!(puts[3], "PUT data/taxi/versions/1");
    let first = scene
        .store
        .blob("/box/LocalUpload/aa/stuff/a/x%20y.txt")
        .unwrap();
    assert_eq!(first.metadata["upload_status"], "completed");
    assert_eq!(first.metadata["name"], "taxi");
    let other = scene.store.blob("/box/LocalUpload/aa/stuff/b.txt").unwrap();
    assert!(other.metadata.is_empty());
    assert_eq!(other.content, b"bb");
    assert_eq!((applied.also[0].files, applied.also[0].bytes), (3, 3));
    let all = scene.world.server.received_requests().await.unwrap();
    for one in all.iter().filter(|one| one.url.path().starts_with(BOX)) {
        let query = one.url.query().unwrap_or_default();
        assert!(query.contains("sig=datastore-signature"), "{}", one.url);
        if one.method.as_str() == "PUT" {
            assert_eq!(header(one, "if-none-match"), Some("*"));
        }
    }
}

#[tokio::test]
async fn a_marked_upload_is_not_sent_again() {
    let scene = scene().await;
    scene
        .store
        .put("/box/LocalUpload/aa/stuff/a/x%20y.txt", b"a", &COMPLETE);
    let applied = scene.run(folder(&scene)).send(None).await.unwrap();
    assert_eq!(scene.count("PUT box/").await, 0);
    assert_eq!(scene.count("HEAD box/").await, 1);
    assert_eq!(applied.also[0].files, 0);
}

#[tokio::test]
async fn an_upload_without_its_mark_is_sent_whole_and_overwrites() {
    let scene = scene().await;
    scene
        .store
        .put("/box/LocalUpload/aa/stuff/a/x%20y.txt", b"half", &[]);
    scene.run(folder(&scene)).send(None).await.unwrap();
    let repaired = scene
        .store
        .blob("/box/LocalUpload/aa/stuff/a/x%20y.txt")
        .unwrap();
    assert_eq!(repaired.content, b"a");
    assert_eq!(repaired.metadata["upload_status"], "completed");
    let all = scene.world.server.received_requests().await.unwrap();
    let conditional = all.iter().any(|one| header(one, "if-none-match").is_some());
    assert!(!conditional);
}

#[tokio::test]
async fn an_upload_that_broke_off_is_completed_by_the_next_run() {
    let scene = scene().await;
    scene
        .store
        .refuse_once("/box/LocalUpload/aa/stuff/c.txt", 403);
    assert!(scene.run(folder(&scene)).send(None).await.is_err());
    assert_eq!(scene.count("PUT data/").await, 0);
    let marked = scene.store.blob("/box/LocalUpload/aa/stuff/a/x%20y.txt");
    assert!(marked.is_none(), "marked before it was whole");
    scene.run(folder(&scene)).send(None).await.unwrap();
    assert_eq!(scene.store.paths().len(), 3);
    assert_eq!(scene.count("PUT data/").await, 1);
}

#[tokio::test]
async fn a_large_upload_that_broke_off_is_gone_on_with() {
    let scene = scene().await;
    let large = vec![7_u8; 9 << 20];
    let files = [("a", b"first".as_slice()), ("b", &large), ("c", &large)];
    let destination = || Destination::Datastore {
        name: "store".into(),
    };
    let plan = || {
        let upload = scene.folder("large", "aa", destination(), &files);
        data(Version::Next, upload)
    };
    scene.store.put("/box/LocalUpload/aa/large/b", &large, &[]);
    scene.store.put("/box/LocalUpload/aa/large/c", b"cut", &[]);
    scene.run(plan()).send(None).await.unwrap();
    assert_eq!(scene.count("PUT box/LocalUpload/aa/large/b").await, 0);
    let path = "/box/LocalUpload/aa/large/c";
    assert_eq!(scene.store.blob(path).unwrap().content.len(), large.len());
    assert_eq!(scene.count("PUT box/LocalUpload/aa/large/a").await, 1);
}

#[tokio::test]
async fn files_that_somebody_else_put_there_meanwhile_are_fine() {
    let scene = scene().await;
    scene
        .store
        .put("/box/LocalUpload/aa/stuff/b.txt", b"bb", &[]);
    scene.run(folder(&scene)).send(None).await.unwrap();
    assert_eq!(scene.count("PUT data/taxi/versions/1").await, 1);
}

#[tokio::test]
async fn signatures_are_announced_before_they_are_used_and_never_shown() {
    let scene = scene().await;
    let error = {
        scene
            .store
            .refuse_once("/box/LocalUpload/aa/stuff/b.txt", 403);
        scene.run(folder(&scene)).send(None).await.unwrap_err()
    };
    assert!(
        scene
            .world
            .minted()
            .contains(&"datastore-signature".to_owned())
    );
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("datastore-signature"), "{shown}");
}

#[tokio::test]
async fn an_account_key_is_turned_into_a_signature_for_the_container() {
    let scene = Scene::without_secrets().await;
    scene.echo("data/taxi/versions/1").await;
    let secrets = json!({"secretsType": "AccountKey", "key": "YSBrZXkgb2Ygc2l4dGVlbg=="});
    scene
        .world
        .on_request("POST", "datastores/store/listSecrets", ok(secrets))
        .await;
    scene.run(folder(&scene)).send(None).await.unwrap();
    let all = scene.world.server.received_requests().await.unwrap();
    let put = all
        .iter()
        .find(|one| one.method.as_str() == "PUT" && one.url.path().starts_with(BOX))
        .unwrap();
    let query = put.url.query().unwrap();
    assert!(
        query.contains("sr=c") && query.contains("sp=racwl"),
        "{query}"
    );
    assert!(!query.contains("YSBrZXk"));
    assert!(
        scene
            .world
            .minted()
            .contains(&"YSBrZXkgb2Ygc2l4dGVlbg==".to_owned())
    );
}

#[tokio::test]
async fn without_secrets_the_callers_own_identity_opens_the_store() {
    let scene = Scene::without_secrets().await;
    scene.echo("data/taxi/versions/1").await;
    scene
        .world
        .on_request("POST", "datastores/store/listSecrets", status(403))
        .await;
    scene.run(folder(&scene)).send(None).await.unwrap();
    let all = scene.world.server.received_requests().await.unwrap();
    for one in all.iter().filter(|one| one.url.path().starts_with(BOX)) {
        assert!(
            header(one, "authorization")
                .unwrap()
                .starts_with("Bearer token-")
        );
        assert!(!one.url.query().unwrap_or_default().contains("sig="));
    }
    let scopes: Vec<_> = scene.world.token_requests().await;
    let storage = scopes.iter().any(|one| {
        crate::azure::support::form_field(one, "scope")
            .is_some_and(|scope| scope.contains("storage.azure.com"))
    });
    assert!(storage);
}

#[tokio::test]
async fn a_large_file_goes_up_in_blocks_and_is_put_together_in_order() {
    let scene = scene().await;
    let mut upload = scene.single("big.bin", "aa", b"");
    let size = (64 << 20) + 3;
    let file = std::fs::File::options()
        .write(true)
        .open(&upload.path)
        .unwrap();
    file.set_len(size - 3).unwrap();
    std::io::Write::write_all(
        &mut std::fs::File::options()
            .append(true)
            .open(&upload.path)
            .unwrap(),
        b"end",
    )
    .unwrap();
    upload.files[0].size = size;
    let plan = data(Version::Fixed("1".into()), upload);
    scene.run(plan).send(None).await.unwrap();
    let blob = scene.store.blob("/box/LocalUpload/aa/big.bin").unwrap();
    assert_eq!(blob.content.len() as u64, size);
    assert!(blob.content.ends_with(b"end"));
    assert_eq!(blob.metadata["upload_status"], "completed");
    assert_eq!(
        scene.count("PUT box/").await,
        10,
        "nine blocks and their list"
    );
    let last = scene.world.notices().into_iter().rev().find_map(|notice| {
        if let Notice::Transfer { done, total, .. } = notice {
            Some((done, total))
        } else {
            None
        }
    });
    assert_eq!(last, Some((size, size)));
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_hashed_is_not_sent() {
    let scene = scene().await;
    let upload = scene.single("t.csv", "aa", b"before");
    std::fs::write(&upload.path, b"after it was hashed").unwrap();
    let plan = data(Version::Fixed("1".into()), upload);
    let error = scene.run(plan).send(None).await.unwrap_err();
    assert!(matches!(error, ApplyError::Arm(_)));
    assert!(error.to_string().contains("changed"), "{error}");
    assert!(scene.store.paths().is_empty());
}

#[tokio::test]
async fn a_build_context_is_named_as_the_cloud_names_its_storage() {
    let scene = Scene::new().await;
    scene.echo("environments/env/versions/1").await;
    let store = Destination::Datastore {
        name: "store".into(),
    };
    let files: [(&str, &[u8]); 1] = [("Dockerfile", b"FROM x")];
    let target = Target::Versioned {
        collection: "environments",
        name: "env".into(),
        version: Version::LatestOrNext,
    };
    let body =
        json!({"properties": {"build": {"contextUri": null, "dockerfilePath": "Dockerfile"}}});
    let uri = slot("/properties/build/contextUri", Reference::UploadUri(0));
    let plan = Plan {
        uploads: vec![scene.folder("ctx", "aa", store, &files)],
        requests: vec![request(target, body, vec![uri])],
        expects: Vec::new(),
    };
    scene.run(plan).send(None).await.unwrap();
    let sent = scene.body("PUT", "environments/env/versions/1").await;
    assert_eq!(
        sent["properties"]["build"]["contextUri"],
        "https://acct.blob.core.windows.net/box/LocalUpload/aa/ctx/"
    );
    assert_eq!(scene.store.paths(), ["/box/LocalUpload/aa/ctx/Dockerfile"]);
}

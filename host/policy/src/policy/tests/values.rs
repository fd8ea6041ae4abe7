//! Each value of the grammar, wrong in each way: one mistake, in its place.

use super::*;

/// A key, and values with marks around the place of the mistake.
type Values<'t> = (&'t str, &'t [&'t str]);

#[test]
fn every_wrong_value_is_one_mistake_in_its_place() {
    let cases: &[(&str, &[Values<'_>])] = &[
        ("", &[("description", &["‹1›", "‹\"\"›", "‹\" \"›", "‹[\"a\"]›", "‹true›"])]),
        (
            "[limits]",
            &[
                ("reason", &["‹1›", "‹\"\"›", "‹1979-05-27›"]),
                (
                    "fuel",
                    &[
                        "‹0›",
                        "‹-1›",
                        "‹100000001›",
                        "‹99999999999999999999999›",
                        "‹1.5›",
                        "‹nan›",
                        "‹inf›",
                        "‹\"5\"›",
                        "‹[]›",
                        "‹{}›",
                        "‹0x0›",
                    ],
                ),
                ("memory_mib", &["‹0›", "‹513›"]),
                (
                    "wall_time",
                    &[
                        "‹30›",
                        "‹\"\"›",
                        "‹\"x\"›",
                        "‹\"0s\"›",
                        "‹\"999ms\"›",
                        "‹\"8days\"›",
                        "‹\"-1s\"›",
                        "‹\"999999999999999999999s\"›",
                        "‹\"584942417355y\"›",
                    ],
                ),
                ("log_kib", &["‹0›", "‹16385›"]),
                ("log_total_mib", &["‹0›", "‹4097›"]),
                ("message_kib", &["‹0›", "‹1025›"]),
                ("outputs_kib", &["‹0›", "‹16385›"]),
                ("steps", &["‹0›", "‹10001›"]),
                ("component_mib", &["‹0›", "‹513›"]),
                ("handles", &["‹15›", "‹1000001›"]),
                ("table_elements", &["‹99›", "‹20001›"]),
                ("host_call_mib", &["‹0›", "‹129›"]),
                ("http_requests", &["‹0›", "‹-1›", "‹1000001›"]),
                ("http_sent_mib", &["‹0›", "‹65537›"]),
                ("http_received_mib", &["‹0›", "‹65537›"]),
                ("http_connections", &["‹0›", "‹257›"]),
                ("tenant_runs", &["‹0›", "‹10001›"]),
            ],
        ),
        (
            "[[http]]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                (
                    "hosts",
                    &[
                        "‹\"a.example\"›",
                        "‹[]›",
                        "[\"x\", ‹\"\"›]",
                        "[\"x\", ‹1›]",
                        "[\"a.example\", ‹\"A.example.\"›]",
                        "[\"x\", ‹\"http://a\"›]",
                    ],
                ),
                (
                    "schemes",
                    &[
                        "‹\"https\"›",
                        "‹[]›",
                        "[\"https\", ‹\"ftp\"›]",
                        "[\"https\", ‹\"https\"›]",
                        "[\"https\", ‹\"HTTPS\"›]",
                    ],
                ),
                (
                    "ports",
                    &[
                        "‹443›",
                        "‹[]›",
                        "[‹0›]",
                        "[‹65536›]",
                        "[‹-1›]",
                        "[‹\"443\"›]",
                        "[‹\"0-1\"›]",
                        "[‹\"2-1\"›]",
                        "[‹\"1-65536\"›]",
                        "[‹\"1-2-3\"›]",
                        "[‹\"+1-2\"›]",
                        "[‹1.0›]",
                        "[1, ‹1›]",
                        "[1, ‹\"1-1\"›]",
                    ],
                ),
                (
                    "private",
                    &[
                        "‹\"10.0.0.0/8\"›",
                        "‹[]›",
                        "[‹\"0.0.0.0/0\"›]",
                        "[‹\"8.8.8.0/24\"›]",
                        "[‹\"10.0.0.1/8\"›]",
                        "[‹\"a.example\"›]",
                        "[\"10.0.0.0/8\", ‹\"10.0.0.0/8\"›]",
                        "[‹1›]",
                    ],
                ),
                ("ca_file", &["‹1›", "‹\"\"›", "‹[\"a\"]›"]),
                (
                    "client_certificate",
                    &[
                        "‹\"c.pem\"›",
                        "‹{ key_file = \"k\" }›",
                        "‹{ certificate_file = \"c\" }›",
                        "{ certificate_file = ‹1›, key_file = \"k\" }",
                        "{ certificate_file = \"c\", key_file = \"k\", ‹x› = 1 }",
                    ],
                ),
                (
                    "headers",
                    &[
                        "‹[]›",
                        "‹\"a\"›",
                        "[‹\"a\"›]",
                        "[‹{ name = \"A\" }›]",
                        "[‹{ secret = \"s\" }›]",
                        "[{ name = ‹\"Host\"›, secret = \"s\" }]",
                        "[{ name = ‹\"a b\"›, secret = \"s\" }]",
                        "[{ name = \"A\", secret = \"s\", prefix = ‹\"\"› }]",
                        "[{ name = \"A\", secret = \"s\", prefix = ‹1› }]",
                        "[{ name = \"A\", secret = ‹\"\"› }]",
                        "[{ name = \"A\", secret = \"s\" }, { name = ‹\"a\"›, secret = \"s\" }]",
                        "[{ name = \"A\", secret = \"s\", ‹value› = 1 }]",
                    ],
                ),
            ],
        ),
        (
            "[files]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                ("work", &["‹1›", "‹\"\"›", "‹\"write\"›", "‹[\"read-only\"]›"]),
                ("quota_mib", &["‹0›", "‹-1›", "‹1048577›", "‹\"1\"›"]),
                ("quota_files", &["‹0›", "‹10000001›", "‹1.0›"]),
            ],
        ),
        (
            "[[secrets.reveal]]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                (
                    "keys",
                    &["‹\"a\"›", "‹[]›", "[‹\"\"›]", "[‹\"db_*\"›]", "[\"a\", ‹\"a\"›]", "[‹1›]"],
                ),
            ],
        ),
        (
            "[[secrets.use]]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                ("keys", &["‹\"a\"›", "‹[]›", "[‹\"\"›]", "[\"a\", ‹\"a\"›]", "[‹1›]"]),
                (
                    "in",
                    &[
                        "‹\"http\"›",
                        "[\"http\", ‹\"files\"›]",
                        "[\"http\", ‹\"http\"›]",
                        "[\"http\", ‹1›]",
                    ],
                ),
                ("hosts", &["‹\"a\"›", "‹[]›", "[‹\"a/b\"›]", "[\"a\", ‹\"a\"›]"]),
            ],
        ),
        (
            "[[run_document]]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                (
                    "hosts",
                    &["‹\"a\"›", "‹[]›", "[‹\"a/b\"›]", "[‹\"https://a\"›]", "[\"a\", ‹\"a\"›]"],
                ),
            ],
        ),
        (
            "[configuration]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                (
                    "values",
                    &["‹1›", "‹[]›", "{ a = ‹1› }", "{ a = ‹[\"b\"]› }", "{ ‹\"\"› = \"b\" }"],
                ),
            ],
        ),
        (
            "[terraform]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                (
                    "verbs",
                    &["‹\"plan\"›", "‹[]›", "[\"plan\", ‹\"init\"›]", "[\"plan\", ‹\"plan\"›]"],
                ),
                ("tools", &["‹[]›", "[\"tofu\", ‹\"opentofu\"›]", "[‹1›]"]),
                ("versions", &["‹\"~1.5\"›", "‹[]›", "[‹\"1.5\"›]", "[‹\"~> 1.5\"›]", "[‹\"x\"›]"]),
                (
                    "repositories",
                    &[
                        "‹\"*\"›",
                        "‹[]›",
                        "[\"*\", ‹\"*\"›]",
                        "[‹\"github.com/acme\"›]",
                        "[‹\"https://a.example\"›]",
                    ],
                ),
                ("providers", &["‹[]›", "[‹\"hashicorp/*\"›]", "[‹\"*\"›]"]),
                ("modules", &["‹[]›", "[‹\"./x\"›]", "[‹\"acme/vpc/aws\"›]"]),
                ("environment", &["‹[]›", "[‹\"PATH\"›]", "[‹\"LD_*\"›]", "[‹\"A=B\"›]"]),
                (
                    "scripts",
                    &["‹true›", "‹{}›", "{ network = ‹1› }", "{ network = true, ‹x› = 1 }"],
                ),
                ("reveal_code", &["‹1›", "‹\"true\"›"]),
                ("release_locks", &["‹1›", "‹[]›"]),
                ("require", &["‹[]›", "[‹\"selinux\"›]", "‹[\"no-network\"]›"]),
            ],
        ),
        (
            "[terraform.limits]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                ("memory_mib", &["‹63›", "‹1048577›", "‹\"1\"›"]),
                ("processes", &["‹15›", "‹1000001›"]),
                ("cpu_time", &["‹0›", "‹\"0s\"›"]),
                ("disk_mib", &["‹15›", "‹1048577›"]),
                ("output_mib", &["‹0›", "‹16385›"]),
                ("sources_time", &["‹\"2days\"›"]),
                ("init_time", &["‹\"2days\"›"]),
                ("workspace_time", &["‹\"2days\"›"]),
                ("plan_time", &["‹\"8days\"›"]),
                ("apply_time", &["‹\"8days\"›", "‹7200›"]),
                ("script_time", &["‹\"2days\"›"]),
            ],
        ),
        (
            "[[terraform.git]]",
            &[
                ("reason", &["‹1›", "‹\"\"›"]),
                (
                    "hosts",
                    &[
                        "‹\"a.example\"›",
                        "‹[]›",
                        "[‹\"*\"›]",
                        "[‹\"https://a.example\"›]",
                        "[‹\"a.example:0\"›]",
                        "[\"a.example\", ‹\"A.example:443\"›]",
                    ],
                ),
                ("user", &["‹1›", "‹\"a:b\"›"]),
                ("token_file", &["‹1›", "‹\"\"›"]),
                ("client_certificate", &["‹1›", "‹{ key_file = \"k\" }›"]),
                ("ca_file", &["‹1›"]),
            ],
        ),
    ];
    for (section, keys) in cases {
        for (key, values) in *keys {
            for value in *values {
                only_mistake(&with_line(
                    section,
                    &format!("{key} = "),
                    &format!("{key} = {value}"),
                ));
            }
            let twice = with_line(section, &format!("{key} = "), "").replacen('‹', "", 1);
            let line = FULL.split_once(section).expect("it").1;
            let line = line.lines().find(|l| l.starts_with(&format!("{key} = "))).expect("it");
            let doubled = format!("{line}\n‹{key}›{}", line.strip_prefix(key).expect("it"));
            assert!(twice.len() < FULL.len());
            let mistake = only_mistake(&with_line(section, &format!("{key} = "), &doubled));
            assert_eq!(mistake.message, "duplicate key");
        }
    }
}

#[test]
fn every_missing_key_is_one_mistake_at_its_section() {
    for (section, keys) in [
        ("[limits]", &["reason"][..]),
        ("[[http]]", &["reason", "hosts"]),
        ("[files]", &["reason", "work", "quota_mib", "quota_files"]),
        ("[[secrets.reveal]]", &["reason", "keys"]),
        ("[[secrets.use]]", &["reason", "keys", "in", "hosts"]),
        ("[[run_document]]", &["reason", "hosts"]),
        ("[configuration]", &["reason", "values"]),
        ("[terraform]", &["reason", "verbs", "repositories"]),
        ("[terraform.limits]", &["reason"]),
        ("[[terraform.git]]", &["reason", "hosts"]),
    ] {
        for key in keys {
            if (section, *key) == ("[files]", "work")
                || (section, *key) == ("[[secrets.use]]", "in")
            {
                continue;
            }
            let text = with_line(section, &format!("{key} = "), "");
            let mistake = only_mistake(&text.replacen(section, &format!("‹{section}›"), 1));
            assert!(mistake.message.contains(&format!("must say `{key}`")), "{}", mistake.message);
        }
    }
    let said = only_mistake("‹›[files]\nreason = \"r\"\nwork = \"read-only\"").message;
    assert_eq!(said, "the file must say `description`");
    let said = only_mistake("description = \"d\"\n‹[files]›\nreason = \"r\"").message;
    assert_eq!(said, "[files] must say `work`");
    let said =
        only_mistake("description = \"d\"\n‹[[secrets.use]]›\nreason = \"r\"\nkeys = [\"a\"]")
            .message;
    assert_eq!(said, "[[secrets.use]] must say `in`");
    for used in ["http", "jwt"] {
        let text = format!(
            "‹[[secrets.use]]›\nreason = \"r\"\nkeys = [\"a\"]\nin = [\"outputs\", \"{used}\"]"
        );
        let said = only_mistake(&format!("description = \"d\"\n{text}")).message;
        assert_eq!(said, format!("[[secrets.use]] must say `hosts` when `in` has `{used}`"));
    }
}

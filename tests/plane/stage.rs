//! How simulated nodes and pods behave. A pod is Ready at once unless it, or its image, asks for a failure.
//!
//! | annotation or label `slipway.dev/simulate` | or an image tagged | the pod |
//! |---|---|---|
//! | `ImagePullBackOff` | `missing`, `does-not-exist` | stays Pending, waiting with that reason |
//! | `CrashLoopBackOff` | `crashing` | is Running and not Ready: 5 restarts, last exit code 1 |
//! | `NeverReady` | `never-ready` | is Running and not Ready for ever |
//!
//! The annotation wins over the label, and both over the image. An unknown value leaves the pod Pending. The annotation
//! `slipway.dev/ready-after: 3s` delays readiness, and `slipway.dev/unready-after: 3s` ends it.

/// Which behaviour a pod asks for, or `None`, as the jq that kwok's selectors run. Stages name it `$SIMULATION`.
const SIMULATION: &str = r#"
    .metadata.annotations["slipway.dev/simulate"]
    // .metadata.labels["slipway.dev/simulate"]
    // ([.spec.containers[].image]
        | if any(test(":(missing|does-not-exist)$")) then "ImagePullBackOff"
          elif any(test(":crashing$")) then "CrashLoopBackOff"
          elif any(test(":never-ready$")) then "NeverReady"
          else "None" end)"#;

const STAGES: [&str; 8] = [
    include_str!("../controlplane/stages/node-ready.yaml"),
    include_str!("../controlplane/stages/pod-ready.yaml"),
    include_str!("../controlplane/stages/pod-complete.yaml"),
    include_str!("../controlplane/stages/pod-delete.yaml"),
    include_str!("../controlplane/stages/pod-image-pull-back-off.yaml"),
    include_str!("../controlplane/stages/pod-crash-loop-back-off.yaml"),
    include_str!("../controlplane/stages/pod-never-ready.yaml"),
    include_str!("../controlplane/stages/pod-unready.yaml"),
];

/// All stages as kwok's `--config` takes them.
pub(super) fn all() -> String {
    let on_one_line = SIMULATION.split_whitespace().collect::<Vec<_>>().join(" ");
    STAGES.join("---\n").replace("$SIMULATION", &on_one_line)
}

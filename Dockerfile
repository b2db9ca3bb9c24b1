# One static program and the certificates of public authorities, for HTTPS health checks. No shell, no package, no root.
# `make image` fills the folder that this is built in.
FROM scratch
COPY etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY usr/local/bin/slipway /usr/local/bin/slipway
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/slipway"]
LABEL org.opencontainers.image.title="slipway" \
      org.opencontainers.image.licenses="Apache-2.0"

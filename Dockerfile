# Headend in a container. Build: docker build -t headend .
# Run: docker run -p 1935:1935 -p 8080:8080 -p 8088:8088 -v headend:/var/lib/headend headend
FROM node:26-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
# The page is built, then what only building and testing need goes; the runtime is the image's own Node, not npm's.
RUN npx vite build player --logLevel warn \
 && npm prune --omit=dev --no-audit --no-fund \
 && rm -rf node_modules/node-linux-* node_modules/node-bin-* node_modules/node-darwin-*

FROM node:26-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg tini fonts-dejavu-core \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o node -g node /var/lib/headend
WORKDIR /app
COPY --from=build --chown=root:root /app/package.json ./
COPY --from=build --chown=root:root /app/node_modules ./node_modules
COPY --from=build --chown=root:root /app/player/dist ./player/dist
COPY --chown=root:root src ./src
COPY --chown=root:root config ./config
USER node
# The compiled program is kept between starts and health checks: stripping types anew takes seconds, and tens of megabytes for good.
ENV NODE_ENV=production HEADEND__DATA_DIR=/var/lib/headend MALLOC_ARENA_MAX=2 NODE_COMPILE_CACHE=/var/lib/headend/compile-cache
VOLUME /var/lib/headend
# Encoders (RTMP, RTMPS), control (player page, metrics, health), streaming (HLS, DASH).
EXPOSE 1935 2935 8080 8088
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["node", "src/main.ts", "--check-health"]
ENTRYPOINT ["tini", "--", "node", "--max-semi-space-size=4", "src/main.ts"]

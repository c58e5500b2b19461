/* The load generator: thousands of WebSocket or long-poll clients and a few HTTP publishers, one thread.
 *
 * usage: crowd name=value …   Prints one line of JSON at the end.
 *   mode     fanout | latency | idle | connect | unicast | poll | post
 *   port     where
 *   path     of the WebSocket or of the poll; %N in it is the client's number
 *   subs     how many clients
 *   hellos   file with a line per client: what it sends first, commands separated by tabs ("" for nothing)
 *   replies  frames a client waits for before it counts as subscribed
 *   post     path of publishing; headers: more request headers ("A: b\r\n"), bodies: file with a body a line,
 *            taken in turn; %T in a body becomes nanoseconds now (19 digits), %N in the path the next client's number
 *   each     messages that one post publishes (batches); everybody: how many clients hear a publish, if not all
 *   window   publishes (unicast: messages) not yet delivered to everybody; posters: HTTP connections
 *   seconds, rate (latency: publishes a second), atonce (connections being opened at a time)
 *   pollstyle  chatpush | nchan | plain (mode poll)
 * "idle" prints "ready" and waits for a line on stdin.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HANDSHAKE, HELLO, LIVE };
struct client {
    int fd, state, replies, poster, busy, head_length, first_payload;
    unsigned long skip;      /* payload bytes still to come */
    unsigned char head[14];
    long posted_at;
    char *text;              /* poll: what has arrived of a reply */
    size_t text_length, text_room;
    char cursor[400], grant[700];
};

static const char *mode = "fanout", *path = "/", *post_path = "/", *more_headers = "", *poll_style = "chatpush";
static int port, subs, replies, window = 8, posters = 4, at_once = 100, each = 1, everybody;
static double seconds = 3, rate = 10;
static char **hellos, **bodies;
static int hello_count, body_count, next_body, poll;
static struct client *clients, *publishers;
static int live, opened, failed;
static long next_client, delivered, published, posted, wanted, began, first_open, stop_at, last_post;
static float *latencies;
static long latency_count, latency_room;
static char buffer[1 << 18];

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static char **lines(const char *file, int *count) {
    FILE *in = fopen(file, "r");
    if (!in) { perror(file); exit(1); }
    char **found = NULL, *line = NULL;
    size_t room = 0;
    ssize_t n;
    *count = 0;
    while ((n = getline(&line, &room, in)) > 0) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        found = realloc(found, sizeof *found * (size_t)(*count + 1));
        found[(*count)++] = strdup(line);
    }
    fclose(in);
    return found;
}

static void note_latency(long nanoseconds) {
    if (latency_count == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 65536;
        latencies = realloc(latencies, sizeof *latencies * (size_t)latency_room);
    }
    latencies[latency_count++] = (float)nanoseconds / 1e6f;
}

/* Return a path with the client's number in place of %N. */
static const char *numbered(const char *text, long number) {
    static char made[500];
    const char *mark = strstr(text, "%N");
    if (!mark) return text;
    snprintf(made, sizeof made, "%.*s%ld%s", (int)(mark - text), text, number, mark + 2);
    return made;
}

static void say(struct client *one, const char *data, size_t length) {
    while (length) {
        ssize_t n = send(one->fd, data, length, MSG_NOSIGNAL);
        if (n > 0) { data += n; length -= (size_t)n; }
        else if (errno != EAGAIN) { failed++; return; }
    }
}

static void say_frame(struct client *one, const char *text, size_t length) {
    static char frame[70000];
    size_t head = 2;
    frame[0] = (char)0x81;
    if (length < 126) frame[1] = (char)(0x80 | length);
    else { frame[1] = (char)0xFE; frame[2] = (char)(length >> 8); frame[3] = (char)length; head = 4; }
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    memcpy(frame + head, mask, 4);
    for (size_t i = 0; i < length; i++) frame[head + 4 + i] = (char)(text[i] ^ mask[i & 3]);
    say(one, frame, head + 4 + length);
}

static void hello(struct client *one) {
    const char *line = hello_count ? hellos[(one - clients) % hello_count] : "";
    static char text[65536];
    size_t length = strlen(line);
    for (size_t i = 0; i < length; i++) text[i] = line[i] == '\t' ? '\n' : line[i];
    if (length) say_frame(one, text, length);
}

static void ask_poll(struct client *one) {
    static char request[4000], body[3000];
    if (!strcmp(poll_style, "chatpush")) {
        const char *line = hellos[(one - clients) % hello_count]; /* "channels":[…],"token":"…" */
        int n = one->cursor[0] ? snprintf(body, sizeof body, "{%s,\"cursor\":\"%s\",\"grant\":\"%s\"}", line, one->cursor, one->grant)
                               : snprintf(body, sizeof body, "{%s}", line);
        n = snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, n, body);
        say(one, request, (size_t)n);
        return;
    }
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: b\r\n%s\r\n", path, one->cursor);
    say(one, request, (size_t)n);
}

static int open_one(struct client *one) {
    int on = 1;
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    /* more addresses than one, for more ports than one address has */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (one->fd < 0 || connect(one->fd, (struct sockaddr *)&to, sizeof to)) { perror("connect"); exit(1); }
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    epoll_ctl(poll, EPOLL_CTL_ADD, one->fd, &event);
    return one->fd;
}

static void open_client(void) {
    struct client *one = &clients[opened++];
    open_one(one);
    if (!strcmp(mode, "poll")) { ask_poll(one); return; }
    static char request[1000];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", numbered(path, one - clients));
    say(one, request, (size_t)n);
}

static void became_live(struct client *one) {
    one->state = LIVE;
    live++;
}

static void publish(struct client *one) {
    static char request[1 << 18], body[1 << 17];
    const char *from = bodies[next_body++ % body_count];
    size_t length = 0;
    for (; *from; from++) {
        if (from[0] == '%' && from[1] == 'T') { length += (size_t)sprintf(body + length, "%019ld", now()); from++; }
        else body[length++] = *from;
    }
    int n = snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", numbered(post_path, next_client++ % (subs ? subs : 1)), more_headers, length);
    memcpy(request + n, body, length);
    one->busy = 1;
    one->posted_at = now();
    published += each;
    say(one, request, (size_t)n + length);
}

static void heard_frame(struct client *one, const unsigned char *payload, size_t there, unsigned long length, int opcode) {
    if (opcode == 8) { failed++; return; }
    if (one->state == HELLO) {
        if (++one->replies >= replies) became_live(one);
        return;
    }
    if (length == 2 && there >= 2 && payload[0] == '{') { say_frame(one, "{}", 2); return; }
    delivered++;
    unsigned char *stamp = there > 4 ? memmem(payload, there < length ? there : length, "\"t\":\"", 5) : NULL;
    if (stamp) note_latency(now() - atol((char *)stamp + 5));
}

static void heard_socket(struct client *one, unsigned char *data, size_t length) {
    size_t at = 0;
    if (one->state == HANDSHAKE) {
        unsigned char *end = memmem(data, length, "\r\n\r\n", 4);
        if (!end || memcmp(data, "HTTP/1.1 101", 12)) { fprintf(stderr, "refused: %.100s\n", data); exit(1); }
        at = (size_t)(end - data) + 4;
        one->state = HELLO;
        hello(one);
        if (!replies) became_live(one);
    }
    while (at < length) {
        if (one->skip) {
            size_t step = length - at < one->skip ? length - at : one->skip;
            one->skip -= step;
            at += step;
            continue;
        }
        one->head[one->head_length++] = data[at++];
        int need = 2;
        if (one->head_length >= 2) {
            int small = one->head[1] & 0x7F;
            need = small == 126 ? 4 : small == 127 ? 10 : 2;
        }
        if (one->head_length < need || one->head_length < 2) continue;
        unsigned long size = one->head[1] & 0x7F;
        if (size == 126) size = (unsigned long)one->head[2] << 8 | one->head[3];
        else if (size == 127) { size = 0; for (int i = 2; i < 10; i++) size = size << 8 | one->head[i]; }
        one->skip = size;
        one->head_length = 0;
        heard_frame(one, data + at, length - at, size, one->head[0] & 0x0F);
    }
}

/* Return how long the first HTTP response in the text is, 0 while it is not whole. */
static size_t response_length(const char *text, size_t length) {
    char *end = memmem(text, length, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end - text) + 4, body = 0;
    for (const char *line = text; line < end; line = strstr(line, "\r\n") + 2)
        if (!strncasecmp(line, "content-length:", 15)) body = strtoul(line + 15, NULL, 10);
    return length >= head + body ? head + body : 0;
}

static void copy_value(char *into, size_t room, const char *text, const char *name, char until) {
    const char *found = strcasestr(text, name);
    if (!found) return;
    found += strlen(name);
    size_t n = 0;
    while (found[n] && found[n] != until && n + 1 < room) { into[n] = found[n]; n++; }
    into[n] = 0;
}

static void heard_poll(struct client *one) {
    char *text = one->text;
    if (!strncmp(text, "HTTP/1.1 2", 10) || !strncmp(text, "HTTP/1.1 304", 12)) {
        if (!strcmp(poll_style, "chatpush")) {
            copy_value(one->cursor, sizeof one->cursor, text, "\"cursor\":\"", '"');
            copy_value(one->grant, sizeof one->grant, text, "\"grant\":\"", '"');
            if (one->state != LIVE) became_live(one); /* the first answer only gives the place */
            else for (const char *at = text; (at = strstr(at, "\"offset\":")); at += 9) delivered++;
        } else {
            char etag[100] = "", modified[100] = "";
            copy_value(etag, sizeof etag, text, "Etag: ", '\r');
            copy_value(modified, sizeof modified, text, "Last-Modified: ", '\r');
            snprintf(one->cursor, sizeof one->cursor, "If-None-Match: %s\r\nIf-Modified-Since: %s\r\n", etag, modified);
            delivered++;
        }
    } else { failed++; fprintf(stderr, "%.300s\n", text); if (failed > 3) exit(1); }
    ask_poll(one);
}

static void heard_http(struct client *one, const char *data, size_t length) {
    if (one->text_length + length + 1 > one->text_room) {
        one->text_room = (one->text_length + length + 1) * 2;
        one->text = realloc(one->text, one->text_room);
    }
    memcpy(one->text + one->text_length, data, length);
    one->text_length += length;
    one->text[one->text_length] = 0;
    size_t whole;
    while ((whole = response_length(one->text, one->text_length))) {
        char kept = one->text[whole];
        one->text[whole] = 0;
        if (one->poster) {
            one->busy = 0;
            posted++;
            last_post = now();
            if (!strcmp(mode, "post")) note_latency(now() - one->posted_at);
            if (strncmp(one->text, "HTTP/1.1 2", 10) || strstr(one->text, "\"error\":")) { if (failed++ < 3) fprintf(stderr, "%.400s\n", one->text); }
        } else heard_poll(one);
        one->text[whole] = kept;
        memmove(one->text, one->text + whole, one->text_length - whole + 1);
        one->text_length -= whole;
    }
}

static void turn(int wait_ms) {
    static struct epoll_event events[1024];
    int count = epoll_wait(poll, events, 1024, wait_ms);
    for (int i = 0; i < count; i++) {
        struct client *one = events[i].data.ptr;
        ssize_t n = recv(one->fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN) continue;
            failed++;
            epoll_ctl(poll, EPOLL_CTL_DEL, one->fd, NULL);
            continue;
        }
        buffer[n] = 0;
        if (one->poster || !strcmp(mode, "poll")) heard_http(one, buffer, (size_t)n);
        else heard_socket(one, (unsigned char *)buffer, (size_t)n);
        if (failed > 100) { fprintf(stderr, "too much failed\n"); exit(1); }
    }
}

static void gather(void) {
    first_open = now();
    long deadline = first_open + 120000000000L;
    int plain_poll = !strcmp(mode, "poll") && strcmp(poll_style, "chatpush");
    while (live < subs) {
        while (opened < subs && opened - live < at_once) {
            open_client();
            if (plain_poll) live++;
        }
        turn(plain_poll ? 0 : 1000);
        if (now() > deadline) { fprintf(stderr, "only %d of %d came\n", live, subs); exit(1); }
    }
}

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void press(void) {
    int alone = !strcmp(mode, "post"), calm = !strcmp(mode, "latency");
    if (!everybody) everybody = !strcmp(mode, "unicast") ? 1 : subs;
    began = now();
    stop_at = began + (long)(seconds * 1e9);
    long next = began;
    for (;;) {
        long moment = now();
        if (moment >= stop_at) break;
        for (int i = 0; i < posters; i++) {
            struct client *one = &publishers[i];
            if (one->busy) continue;
            if (calm) { if (moment >= next) { publish(one); next += (long)(1e9 / rate); } continue; }
            if (alone || published * everybody - delivered < (long)window * everybody) publish(one);
        }
        turn(calm ? 1 : 1000);
    }
    if (alone) return;
    wanted = published * everybody;
    long patience = now() + 10000000000L;
    while (delivered < wanted && now() < patience) turn(100);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char *name = argv[i], *value = strchr(argv[i], '=');
        if (!value) continue;
        *value++ = 0;
        if (!strcmp(name, "mode")) mode = value;
        else if (!strcmp(name, "port")) port = atoi(value);
        else if (!strcmp(name, "path")) path = value;
        else if (!strcmp(name, "subs")) subs = atoi(value);
        else if (!strcmp(name, "hellos")) hellos = lines(value, &hello_count);
        else if (!strcmp(name, "bodies")) bodies = lines(value, &body_count);
        else if (!strcmp(name, "replies")) replies = atoi(value);
        else if (!strcmp(name, "post")) post_path = value;
        else if (!strcmp(name, "headers")) more_headers = value;
        else if (!strcmp(name, "everybody")) everybody = atoi(value);
        else if (!strcmp(name, "each")) each = atoi(value);
        else if (!strcmp(name, "window")) window = atoi(value);
        else if (!strcmp(name, "posters")) posters = atoi(value);
        else if (!strcmp(name, "seconds")) seconds = atof(value);
        else if (!strcmp(name, "rate")) rate = atof(value);
        else if (!strcmp(name, "atonce")) at_once = atoi(value);
        else if (!strcmp(name, "pollstyle")) poll_style = value;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poll = epoll_create1(0);
    clients = calloc((size_t)subs + 1, sizeof *clients);
    publishers = calloc((size_t)posters + 1, sizeof *publishers);
    gather();
    double connecting = (double)(now() - first_open) / 1e9;
    int idle = !strcmp(mode, "idle"), connects = !strcmp(mode, "connect");
    if (idle || (!strcmp(mode, "poll") && posters == 0)) {
        for (long until = now() + 1500000000L; now() < until;) turn(50);
        printf("ready\n");
        fflush(stdout);
        for (struct timeval none = {0, 0};;) { /* stay, and answer pings */
            fd_set in;
            FD_ZERO(&in);
            FD_SET(0, &in);
            if (select(1, &in, NULL, NULL, &none) > 0) break;
            none.tv_sec = none.tv_usec = 0;
            turn(50);
        }
    } else if (!connects) {
        for (int i = 0; i < posters; i++) {
            publishers[i].poster = 1;
            open_one(&publishers[i]);
        }
        for (long until = now() + 300000000L; now() < until;) turn(20);
        delivered = 0;
        press();
    }
    double took = (double)((!strcmp(mode, "post") ? last_post : now()) - began) / 1e9;
    qsort(latencies, (size_t)latency_count, sizeof *latencies, compare);
    printf("{\"connecting\": %.4f, \"took\": %.4f, \"published\": %ld, \"posted\": %ld, \"delivered\": %ld, \"missing\": %ld, \"failed\": %d, "
           "\"p50\": %.3f, \"p99\": %.3f}\n",
           connecting, took, published, posted * each, delivered, wanted - delivered, failed,
           latency_count ? latencies[latency_count / 2] : -1.0f, latency_count ? latencies[latency_count * 99 / 100] : -1.0f);
    return 0;
}

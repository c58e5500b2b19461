/* The plain C baseline: a WebSocket server whose fan-out is a loop of send().
 *
 * GET  → 101, and the socket hears everything from now on.
 * POST → its body as one text frame to all, then 200.
 * One thread, epoll, no corking: every publish is one send() per subscriber.
 * SHA-1 is left out (clients of the bench do not check the accept key).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 65536
static int members[MOST], member_count;
static int place[MOST]; /* index in members, -1 for HTTP */

static void leave(int fd) {
    if (place[fd] >= 0) {
        int last = members[--member_count];
        members[place[fd]] = last;
        place[last] = place[fd];
        place[fd] = -1;
    }
    close(fd);
}

static void publish(const char *body, size_t length) {
    static char frame[70000];
    size_t head = 2;
    frame[0] = (char)0x81;
    if (length < 126) frame[1] = (char)length;
    else { frame[1] = 126; frame[2] = (char)(length >> 8); frame[3] = (char)length; head = 4; }
    memcpy(frame + head, body, length);
    for (int i = 0; i < member_count; i++) {
        size_t sent = 0;
        while (sent < head + length) { /* a slow reader stops everybody: it is a baseline */
            ssize_t n = send(members[i], frame + sent, head + length - sent, MSG_NOSIGNAL);
            if (n > 0) sent += (size_t)n;
            else if (errno != EAGAIN) break;
        }
    }
}

static void answer(int fd, char *data, size_t length) {
    static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    if (place[fd] >= 0) return; /* a subscriber says something: not interesting */
    if (!memcmp(data, "GET", 3)) {
        place[fd] = member_count;
        members[member_count++] = fd;
        send(fd, upgrade, sizeof upgrade - 1, MSG_NOSIGNAL);
        return;
    }
    char *body = memmem(data, length, "\r\n\r\n", 4);
    if (!body) return;
    body += 4;
    publish(body, length - (size_t)(body - data));
    send(fd, ok, sizeof ok - 1, MSG_NOSIGNAL);
}

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0")),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(door, (struct sockaddr *)&where, sizeof where) || listen(door, 4096)) { perror("bind"); return 1; }
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = door}, events[512];
    epoll_ctl(poll, EPOLL_CTL_ADD, door, &event);
    memset(place, -1, sizeof place);
    static char data[70000];
    for (;;) {
        int count = epoll_wait(poll, events, 512, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == door) {
                int fresh;
                while ((fresh = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0 && fresh < MOST) {
                    setsockopt(fresh, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    struct epoll_event hear = {.events = EPOLLIN, .data.fd = fresh};
                    epoll_ctl(poll, EPOLL_CTL_ADD, fresh, &hear);
                }
                continue;
            }
            ssize_t n = recv(fd, data, sizeof data - 1, 0);
            if (n <= 0) { if (n == 0 || errno != EAGAIN) leave(fd); continue; }
            data[n] = 0;
            answer(fd, data, (size_t)n);
        }
    }
}

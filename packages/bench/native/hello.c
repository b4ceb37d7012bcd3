/* The benchmark's hello on libfcgi. Usage: hello SOCKET */
#include <fcgiapp.h>

int main(int argc, char **argv) {
    FCGX_Request request;
    int listening;
    if (argc < 2 || FCGX_Init() != 0 || (listening = FCGX_OpenSocket(argv[1], 1024)) < 0)
        return 1;
    FCGX_InitRequest(&request, listening, 0);
    while (FCGX_Accept_r(&request) == 0) {
        FCGX_PutS("Content-Type: text/plain\r\n\r\nHello, world\n", request.out);
        FCGX_Finish_r(&request);
    }
    return 0;
}

/* One KPOP exchange on standard input, by MIT's library. KPOP_AHEAD is by how many
 * seconds this clock is ahead. Prints the client, or what went wrong. */
#include <krb5.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(void)
{
	krb5_context ctx;
	krb5_auth_context auth = NULL;
	krb5_ticket *ticket;
	krb5_error_code err;
	char *client, *ahead = getenv("KPOP_AHEAD");
	int fd = 0;

	if (krb5_init_context(&ctx))
		return 2;
	if (ahead && *ahead)
		krb5_set_real_time(ctx, time(NULL) + atoi(ahead), 0);
	err = krb5_recvauth(ctx, &auth, &fd, "KPOPV1.0", NULL, 0, NULL, &ticket);
	if (!err)
		err = krb5_unparse_name(ctx, ticket->enc_part2->client, &client);
	puts(err ? krb5_get_error_message(ctx, err) : client);
	return err != 0;
}

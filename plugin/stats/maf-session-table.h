/* maf-session-table.h
 * The table of sessions: who logged in where, by what, with which outcome
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_SESSION_TABLE_H
#define MAF_SESSION_TABLE_H

/* Register Statistics, MAF Sessions (tshark -z maf,sessions). */
void maf_session_table_register(void);

#endif /* MAF_SESSION_TABLE_H */
